"""The outside of a zip archive (PKWARE APPNOTE.TXT 6.3.10): its index, and whether the file holds exactly that.

A zip says everything twice, and programs differ in which they believe. Here both must say the same, entry must follow
entry without a gap, and nothing may stand before, between or after them.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from pipeline.system.archive_members import Limits, refuse
from pipeline.system.zip_extra import read_extra, wide_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

STORED, DEFLATED = 0, 8
_END = struct.Struct("<4s4H2LH")  # end of central directory record (4.3.16)
_LOCATOR = struct.Struct("<4sLQL")  # zip64 end of central directory locator (4.3.15)
_END64 = struct.Struct("<4sQ2H2L4Q")  # zip64 end of central directory record (4.3.14)
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # central directory file header (4.3.12)
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header (4.3.7)
_DESCRIPTORS = {  # data descriptor (4.3.9): with or without its signature, with 4 or 8 bytes a size
    size: struct.Struct(form) for size, form in ((12, "<3L"), (16, "<4s3L"), (20, "<L2Q"), (24, "<4sL2Q"))
}
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_PATCH = 0x20
_STREAMED = 0x8  # sizes follow the data (4.4.4)
_UTF8 = 0x800
_WIDE, _WIDE_COUNT = 0xFFFFFFFF, 0xFFFF  # the zip64 extra field or record says it
_MAX_VERSION = 63  # of the specification; what needs a later one says so (4.4.3)
_MAX_INDEX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """One entry, of which index and local header say the same.

    Attributes:
        name: as it stands there.
        method: ``STORED`` or ``DEFLATED``.
        crc: CRC-32 of the file.
        packed_bytes: as stored.
        size_bytes: of the file.
        attributes: external ones (4.4.15); their upper half is a Unix mode where ``system`` is 3.
        system: that the attributes are of (4.4.2.2).
        data_offset: of the first stored byte; set after the local header was read.
    """

    name: str
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    attributes: int
    system: int
    data_offset: int


@dataclass(frozen=True, slots=True)
class _Index:
    """Where the central directory is, and how many entries it must have."""

    offset: int
    size_bytes: int
    count: int


@dataclass(frozen=True, slots=True)
class _Central:
    """One record of the central directory."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    attributes: int
    system: int
    offset: int


def read_index(stream: BinaryIO, *, limits: Limits) -> Iterator[ZipEntry]:
    """Yield every entry in the order in which they stand in the file.

    Raises:
        IntegrityError: index and file disagree, or an entry is encrypted, compressed by other means than deflate,
            part of a split archive, or has a name of unknown encoding.
    """
    index = _find_index(stream)
    if index.count > limits.members:
        raise refuse(f"holds more than {limits.members} entries")
    if index.size_bytes > _MAX_INDEX_BYTES:
        raise refuse(f"has an index of more than {_MAX_INDEX_BYTES} bytes")
    stream.seek(index.offset)
    records = sorted(_records(stream.read(index.size_bytes), index.count), key=lambda record: record.offset)
    ends = [*(record.offset for record in records), index.offset][1:]
    position = 0
    for record, end in zip(records, ends, strict=True):
        if record.offset != position:
            raise refuse("has something before, between or within its entries")
        yield _entry(stream, record, end)
        position = end
    if position != index.offset:
        raise refuse("has something before its index")


def _find_index(stream: BinaryIO) -> _Index:
    """Read the end record, and zip64's where there is one; each must stand right before the next."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - 0xFFFF)
    stream.seek(start)
    tail = stream.read()
    position = tail.rfind(b"PK\x05\x06")
    if position < 0 or len(tail) - position < _END.size:
        raise refuse("is cut short: the zip's end record is missing")
    _, disk, start_disk, here, total, index_bytes, offset, comment_bytes = _END.unpack_from(tail, position)
    if position + _END.size + comment_bytes != len(tail):
        raise refuse("has something after its zip archive")
    if _has_another_end(tail, position):
        raise refuse("has two end records")
    end = start + position
    if _LOCATOR.size <= end:
        stream.seek(end - _LOCATOR.size)
        locator = stream.read(_LOCATOR.size)
        if locator.startswith(b"PK\x06\x07"):
            narrow = (disk, start_disk, here, total, index_bytes, offset)
            end, (here, total, index_bytes, offset) = _wide_end(stream, locator, end - _LOCATOR.size, narrow)
            disk = start_disk = 0
    if disk or start_disk or here != total:
        raise refuse("is one part of a split zip archive")
    if offset + index_bytes != end:
        raise refuse("has something before its zip archive, or between its index and its end")
    return _Index(offset=offset, size_bytes=index_bytes, count=total)


def _has_another_end(tail: bytes, position: int) -> bool:
    """Tell whether an earlier end record takes the last one for its comment: programs would differ."""
    while (position := tail.rfind(b"PK\x05\x06", 0, position)) >= 0:
        if position + _END.size + _END.unpack_from(tail, position)[-1] == len(tail):
            return True
    return False


def _wide_end(
    stream: BinaryIO, locator: bytes, locator_offset: int, narrow: tuple[int, ...]
) -> tuple[int, tuple[int, int, int, int]]:
    """Return where zip64's end record stands, and its (entries here, in all, bytes of the index, its offset)."""
    _, disk, place, disks = _LOCATOR.unpack(locator)
    if disk or disks > 1:
        raise refuse("is one part of a split zip archive")
    if place + _END64.size != locator_offset:
        raise refuse("has something beside its zip64 end record")
    stream.seek(place)
    signature, own, _, _, this_disk, start_disk, *numbers = _END64.unpack(stream.read(_END64.size))
    if signature != b"PK\x06\x06" or own != _END64.size - 12 or this_disk or start_disk:
        raise refuse("has a damaged zip64 end record")
    for said, wide in zip(narrow, (0, 0, *numbers), strict=True):
        if said not in {wide, _WIDE, _WIDE_COUNT}:
            raise refuse("has two end records that say different things")
    here, total, index_bytes, offset = numbers
    return place, (here, total, index_bytes, offset)


def _records(data: bytes, count: int) -> Iterator[_Central]:
    position = 0
    for _ in range(count):
        if len(data) - position < _CENTRAL.size:
            raise refuse("has an index that is cut short")
        fields = _CENTRAL.unpack_from(data, position)
        signature, made_by, needed, flags, method, _, _, crc, packed, unpacked = fields[:10]
        name_bytes, extra_bytes, comment_bytes, disk, _, attributes, offset = fields[10:]
        name_end = position + _CENTRAL.size + name_bytes
        extra_end = name_end + extra_bytes
        if signature != b"PK\x01\x02" or extra_end + comment_bytes > len(data):
            raise refuse("has a damaged index")
        raw_name = data[position + _CENTRAL.size : name_end]
        extra = read_extra(data[name_end:extra_end])
        wanted = [value == _WIDE for value in (unpacked, packed, offset)]
        wide = wide_numbers(extra, sum(wanted))
        unpacked, packed, offset = (
            wide.pop(0) if is_wide else value for is_wide, value in zip(wanted, (unpacked, packed, offset), strict=True)
        )
        if disk:
            raise refuse("is one part of a split zip archive")
        if needed > _MAX_VERSION:
            raise refuse(f"needs version {needed / 10} of the zip format")
        yield _Central(raw_name, flags, method, crc, packed, unpacked, attributes, made_by >> 8, offset)
        position = extra_end + comment_bytes
    if position != len(data):
        raise refuse("has an index with more entries than its end record says")


def _entry(stream: BinaryIO, record: _Central, following: int) -> ZipEntry:
    name = _name(record)
    if record.flags & (_ENCRYPTED | _PATCH):
        raise refuse(f"holds {name!r} encrypted")
    if record.method not in {STORED, DEFLATED}:
        raise refuse(f"holds {name!r} compressed by a means that is not served")
    if record.method == STORED and record.packed_bytes != record.size_bytes:
        raise refuse(f"holds {name!r} uncompressed with two sizes")
    stream.seek(record.offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise refuse(f"holds {name!r}, which is not where its index says")
    _, _, flags, method, _, _, *said, name_bytes, extra_bytes = _LOCAL.unpack(header)
    raw_name = stream.read(name_bytes)
    extra = read_extra(stream.read(extra_bytes))
    data_offset = record.offset + _LOCAL.size + name_bytes + extra_bytes
    if (raw_name, flags, method) != (record.raw_name, record.flags, record.method):
        raise refuse(f"holds {name!r}, of which its two indexes say different things")
    true = (record.crc, record.packed_bytes, record.size_bytes)
    _check_sizes(name, said, extra, true, is_streamed=bool(flags & _STREAMED))
    _check_gap(stream, name, data_offset + record.packed_bytes, following, true if flags & _STREAMED else None)
    return ZipEntry(
        name, method, record.crc, record.packed_bytes, record.size_bytes, record.attributes, record.system, data_offset
    )


def _check_sizes(
    name: str, said: list[int], extra: dict[int, bytes], true: tuple[int, int, int], *, is_streamed: bool
) -> None:
    crc, packed, unpacked = said
    if _WIDE in {packed, unpacked}:
        unpacked, packed = wide_numbers(extra, 2)
    found = (crc, packed, unpacked)
    if found != true and not (is_streamed and not any(found)):
        raise refuse(f"holds {name!r}, of which its two indexes say different sizes")


def _check_gap(stream: BinaryIO, name: str, end: int, following: int, streamed: tuple[int, int, int] | None) -> None:
    """Refuse anything between an entry and the next but a data descriptor that says the truth."""
    gap = following - end
    if gap == 0 and streamed is None:
        return
    if streamed is None or gap not in _DESCRIPTORS:
        raise refuse(f"holds {name!r}, which overlaps another entry or has something beside it")
    stream.seek(end)
    found = _DESCRIPTORS[gap].unpack(stream.read(gap))
    if found not in {streamed, (b"PK\x07\x08", *streamed)}:
        raise refuse(f"holds {name!r}, which is followed by other sizes than its index says")


def _name(record: _Central) -> str:
    """Decode a name: UTF-8 where it says so, else ASCII; the code page of a name beyond that is anybody's guess."""
    try:
        return record.raw_name.decode("utf-8" if record.flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise refuse(f"holds {record.raw_name!r}, a name of unknown encoding") from error
