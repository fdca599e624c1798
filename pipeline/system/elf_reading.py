"""ELF files (System V gABI, chapters 4 and 5; LSB core, symbol versioning): the few tables that say what a file needs.

Tables are read where they stand, so that memory stays small for a library of any size; lief reads whole files and its
import alone takes 50 MB, which together with a compressor would break the memory budget.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x7fELF"
OBJECT_TYPE, EXECUTABLE_TYPE = 1, 2  # ET_REL, ET_EXEC
DYNAMIC_SEGMENT, INTERPRETER_SEGMENT, NOTE_SEGMENT = 2, 3, 4
_LOAD_SEGMENT = 1
_STRING_TABLE, _NEED_TABLE, _NEED_COUNT = 5, 0x6FFFFFFE, 0x6FFFFFFF
_MAX_TABLE_BYTES = 64 << 20
_MAX_STRING_BYTES = 1 << 16
_MAX_NAMES_BYTES = 64 << 20  # of all sections; a name may be that of many
_MAX_DYNAMIC_BYTES = 1 << 20  # 16 for each library that is needed, and for some twenty facts
_EXTENDED = 0xFFFF  # SHN_XINDEX
_NO_CONTENT = 8  # SHT_NOBITS


class DamagedElfError(ValueError):
    """A table points out of the file or does not end."""


class Segment(NamedTuple):
    """One program header: kind, place in the file and in memory."""

    kind: int
    offset: int
    address: int
    size: int


class Section(NamedTuple):
    """One section header: name, place in the file, flags; of no size where the file does not have its content."""

    name: str
    offset: int
    size: int
    flags: int = 0


class ElfFile:
    """One ELF file, read on demand.

    Attributes:
        kind: ``e_type``.
        machine: ``e_machine``.
        segments: the program headers.
        dynamic: (tag, value) of the dynamic section, in order.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Read the headers.

        Raises:
            DamagedElfError: they are not what they should be.
        """
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)
        ident = self._bytes(0, 16)
        if ident[:4] != MAGIC or ident[4] not in {1, 2} or ident[5] not in {1, 2}:
            raise DamagedElfError("it has no ELF header")
        self._wide = ident[4] == 2
        self._order = "<" if ident[5] == 1 else ">"
        header = self._unpack("HHIQQQIHHHHHH" if self._wide else "HHIIIIIHHHHHH", 16)
        self.kind, self.machine = header[0], header[1]
        self._sections_at, self._section_bytes = header[5], header[10]
        self._section_count, self._names_index = header[11], header[12]
        self.segments = tuple(self._segments(at=header[4], each=header[8], count=header[9]))
        self.dynamic = tuple(self._dynamic())

    def string(self, offset: int) -> str:
        """Return a string of the dynamic string table."""
        return self._string_at(self._place(self._value(_STRING_TABLE)) + offset)

    def sections(self) -> tuple[Section, ...]:
        """Return all sections; empty when there are no section headers."""
        if not self._sections_at:
            return ()
        if self._section_bytes != struct.calcsize(self._order + self._section_form):
            raise DamagedElfError("its section headers are of another size than those of its class")
        first = self._section(0)
        count = self._section_count or first[5]
        names = self._section(first[6] if self._names_index == _EXTENDED else self._names_index)
        if count * self._section_bytes > _MAX_TABLE_BYTES:
            raise DamagedElfError("it has too many sections")
        found, names_bytes = [], 0
        for index in range(count):
            name_at, kind, flags, _, offset, size, *_ = self._section(index)
            name = self._string_at(names[4] + name_at)
            names_bytes += len(name)
            if names_bytes > _MAX_NAMES_BYTES:
                raise DamagedElfError("its sections have too long names")
            found.append(Section(name, offset, 0 if kind == _NO_CONTENT else size, flags))
        return tuple(found)

    def version_needs(self) -> Iterator[tuple[str, str]]:
        """Yield (library, symbol version) of every version that is needed."""
        if not any(tag == _NEED_TABLE for tag, _ in self.dynamic):
            return
        place = self._place(self._value(_NEED_TABLE))
        for _ in range(self._value(_NEED_COUNT)):
            _, count, library, first, following = self._unpack("HHIII", place)
            entry = place + first
            for _ in range(count):
                _, _, _, name, step = self._unpack("IHHII", entry)
                yield self.string(library), self.string(name)
                entry += step
            place += following

    def notes(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Yield (owner, type, content) of every note in a segment."""
        for segment in self.segments:
            position, end = segment.offset, segment.offset + segment.size
            while segment.kind == NOTE_SEGMENT and position + 12 <= end:
                name_bytes, content_bytes, kind = self._unpack("III", position)
                name = self._bytes(position + 12, name_bytes)
                content_at = position + 12 + (name_bytes + 3) // 4 * 4
                yield name.rstrip(b"\0"), kind, self._bytes(content_at, content_bytes)
                position = content_at + (content_bytes + 3) // 4 * 4

    def _segments(self, *, at: int, each: int, count: int) -> Iterator[Segment]:
        for index in range(count):
            if self._wide:
                kind, _, offset, address, _, size, _, _ = self._unpack("IIQQQQQQ", at + index * each)
            else:
                kind, offset, address, _, size, _, _, _ = self._unpack("IIIIIIII", at + index * each)
            yield Segment(kind, offset, address, size)

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        segment = next((s for s in self.segments if s.kind == DYNAMIC_SEGMENT and s.size), None)
        if segment is None:
            return
        if segment.size > _MAX_DYNAMIC_BYTES:
            raise DamagedElfError("its dynamic section is too long")
        form = "qQ" if self._wide else "iI"
        each = struct.calcsize(self._order + form)
        for position in range(segment.offset, segment.offset + segment.size - each + 1, each):
            tag, value = self._unpack(form, position)
            if tag == 0:
                return
            yield tag, value

    @property
    def _section_form(self) -> str:
        return "IIQQQQIIQQ" if self._wide else "I" * 10

    def _section(self, index: int) -> tuple[int, ...]:
        return self._unpack(self._section_form, self._sections_at + index * self._section_bytes)

    def _value(self, tag: int) -> int:
        for found, value in self.dynamic:
            if found == tag:
                return value
        raise DamagedElfError(f"its dynamic section has no entry {tag:#x}")

    def _place(self, address: int) -> int:
        """Return where in the file an address in memory comes from."""
        for segment in self.segments:
            if segment.kind == _LOAD_SEGMENT and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise DamagedElfError(f"address {address:#x} is in no segment")

    def _string_at(self, position: int) -> str:
        data = b""
        while b"\0" not in data:
            piece = self._bytes(position + len(data), min(256, self._size - position - len(data)))
            data += piece
            if not piece or len(data) > _MAX_STRING_BYTES:
                raise DamagedElfError("a name has no end")
        return data.split(b"\0", 1)[0].decode("utf-8", errors="backslashreplace")

    def _unpack(self, form: str, position: int) -> tuple[int, ...]:
        form = self._order + form
        return struct.unpack(form, self._bytes(position, struct.calcsize(form)))

    def _bytes(self, position: int, size: int) -> bytes:
        if not (0 <= size <= _MAX_TABLE_BYTES and 0 <= position <= self._size - size):
            raise DamagedElfError("a table points out of the file")
        self._stream.seek(position)
        return self._stream.read(size)
