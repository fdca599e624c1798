"""Zip archives of which every field can be a lie."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field


@dataclass
class Said:
    """What a header says instead of the truth; None says the truth."""

    name: bytes | None = None
    flags: int | None = None
    method: int | None = None
    crc: int | None = None
    packed: int | None = None
    size: int | None = None
    extra: bytes = b""


@dataclass
class Entry:
    """One entry with both of its headers.

    Attributes:
        stored: the bytes that stand in the file instead of ``data`` deflated or as it is.
        descriptor: bytes after the data.
    """

    name: bytes
    data: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    system: int = 3
    attributes: int | None = None
    stored: bytes | None = None
    descriptor: bytes = b""
    local: Said = field(default_factory=Said)
    central: Said = field(default_factory=Said)
    offset: int | None = None
    needed: int = 20

    @property
    def packed(self) -> bytes:
        if self.stored is not None:
            return self.stored
        if self.method != 8:
            return self.data
        deflater = zlib.compressobj(wbits=-15)
        return deflater.compress(self.data) + deflater.flush()

    def fields(self, said: Said) -> tuple[int, int, int, int, int, bytes]:
        """Return flags, method, crc, packed size, size, name as a header says them."""
        true = (self.flags, self.method, zlib.crc32(self.data), len(self.packed), len(self.data), self.name)
        lies = (said.flags, said.method, said.crc, said.packed, said.size, said.name)
        return tuple(t if lie is None else lie for t, lie in zip(true, lies, strict=True))

    def local_bytes(self) -> bytes:
        flags, method, crc, packed, size, name = self.fields(self.local)
        header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0, crc, packed, size, len(name),
                             len(self.local.extra))  # fmt: skip
        return header + name + self.local.extra + self.packed + self.descriptor

    def central_bytes(self, offset: int) -> bytes:
        flags, method, crc, packed, size, name = self.fields(self.central)
        attributes = self.mode << 16 if self.attributes is None else self.attributes
        header = struct.pack("<4s6H3L5H2L", b"PK\1\2", self.system << 8, self.needed, flags, method, 0, 0, crc,
                             packed, size, len(name), len(self.central.extra), 0, 0, 0, attributes,
                             offset if self.offset is None else self.offset)  # fmt: skip
        return header + name + self.central.extra


def crafted(
    *entries: Entry, before: bytes = b"", gap: bytes = b"", comment: bytes = b"", end: dict[str, int] | None = None
) -> bytes:
    """Return an archive: ``before`` the first entry, ``gap`` before the end record, ``end`` overrides its fields."""
    data = before
    index = b""
    for entry in entries:
        index += entry.central_bytes(len(data))
        data += entry.local_bytes()
    said = {"disk": 0, "start_disk": 0, "here": len(entries), "total": len(entries), "size": len(index),
            "offset": len(data)} | (end or {})  # fmt: skip
    return data + index + gap + struct.pack("<4s4H2LH", b"PK\5\6", *said.values(), len(comment)) + comment


def zip64(*entries: Entry, record: dict[str, int] | None = None, locator_offset: int | None = None) -> bytes:
    """Return an archive with zip64 end records, whose fields ``record`` overrides."""
    data = b""
    index = b""
    for entry in entries:
        index += entry.central_bytes(len(data))
        data += entry.local_bytes()
    said = {"own": 44, "made": 45, "needed": 45, "disk": 0, "start_disk": 0, "here": len(entries),
            "total": len(entries), "size": len(index), "offset": len(data)} | (record or {})  # fmt: skip
    place = len(data) + len(index)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", *said.values())
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, place if locator_offset is None else locator_offset, 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data + index + wide + locator + end


def extra(key: int, data: bytes) -> bytes:
    """Return one extra field."""
    return struct.pack("<2H", key, len(data)) + data
