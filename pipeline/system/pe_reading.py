"""PE files (Microsoft, "PE Format"), read with lief: what a program or a DLL imports, and of what machine it is.

lief holds a file twice in memory, and CUDA libraries have half a gigabyte. It is given the headers, and then the
sections that the tables of imports lie in; of the rest only the headers of GPU code are read, by ``gpu_code``. It drops
an import whose name it cannot read without a word, so the tables are counted here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO

import lief

from pipeline.model.binary import BinaryCard
from pipeline.system.byte_reading import DamagedBinaryError, enum_name, read_at, require_text
from pipeline.system.gpu_code import FileSection, gpu_architectures

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD_BYTES = 1 << 16
_MAX_SECTION_BYTES = 128 << 20
_MAX_IMPORTS = 4096
_ALIGNMENT = 512  # a loader rounds a section's place in the file down to it
_MACHINES = {"AMD64": "x86_64", "ARM64": "arm64", "I386": "x86"}
_DIRECTORIES = lief.PE.DataDirectory.TYPES
# Size of a descriptor, and where in it the address of the library's name stands.
_TABLES = {_DIRECTORIES.IMPORT_TABLE: (20, 12), _DIRECTORIES.DELAY_IMPORT_DESCRIPTOR: (32, 4)}


def read_pe(stream: BinaryIO, size: int) -> BinaryCard:
    """Return the card of a PE file of ``size`` bytes.

    Raises:
        DamagedBinaryError: it is none, cut off, or has a table of imports that cannot be read.
    """
    outline = _parse(read_at(stream, 0, min(size, _HEAD_BYTES)))
    for section in outline.sections:
        if section.pointerto_raw_data + section.sizeof_raw_data > size:
            raise DamagedBinaryError(f"section {section.name!r} reaches past the end")
    certificates = outline.data_directory(_DIRECTORIES.CERTIFICATE_TABLE)
    signed = False
    if certificates is not None and certificates.size:
        if certificates.rva + certificates.size > size:  # this directory alone has a place in the file
            raise DamagedBinaryError("its signature reaches past the end")
        signed = True
    sections = _ImportSections(stream, outline)
    counts = [sections.count(kind) for kind in _TABLES]
    binary = _parse(sections.skeleton(), imports=True)
    needed = tuple(require_text(library.name) for library in binary.imports)
    optional = tuple(require_text(library.name) for library in binary.delay_imports)
    if [len(needed), len(optional)] != counts:
        raise DamagedBinaryError("a table of imports has a name that cannot be read")
    header, optional_header = binary.header, binary.optional_header
    return BinaryCard(
        format="pe",
        machine=_MACHINES.get(enum_name(header.machine), f"machine-{int(header.machine):#x}"),
        is_executable=not header.has_characteristic(lief.PE.Header.CHARACTERISTICS.DLL),
        soname=None,
        needed=tuple(dict.fromkeys(needed)),
        runpath=(),
        version_needs={},
        has_symbols=False,
        has_debug=False,
        build_id=None,
        optional=tuple(dict.fromkeys(optional)),
        lowest_system=f"{optional_header.major_subsystem_version}.{optional_header.minor_subsystem_version}",
        signature="authenticode" if signed else None,
        gpu_architectures=gpu_architectures(
            stream,
            (FileSection(str(s.name), s.pointerto_raw_data, s.sizeof_raw_data) for s in outline.sections),
        ),
    )


def _parse(data: bytes, *, imports: bool = False) -> lief.PE.Binary:
    config = lief.PE.ParserConfig()
    config.parse_imports = imports
    config.parse_exports = config.parse_exceptions = config.parse_reloc = False
    config.parse_rsrc = config.parse_signature = config.parse_arm64x_binary = False
    binary = lief.PE.parse(data, config)
    if not isinstance(binary, lief.PE.Binary):
        raise DamagedBinaryError("it has no PE headers")
    return binary


class _ImportSections:
    """The sections of a PE file that its tables of imports lie in."""

    def __init__(self, stream: BinaryIO, outline: lief.PE.Binary) -> None:
        self._stream, self._outline = stream, outline
        self._sections: list[Any] = list(outline.sections)
        self._content: dict[int, bytes] = {}

    def count(self, kind: lief.PE.DataDirectory.TYPES) -> int:
        """Take in what a table needs, and return how many libraries it has."""
        return sum(1 for _ in self._names(kind))

    def skeleton(self) -> bytes:
        """Return the headers with the sections that were taken in; the others have no content any more."""
        table = self._outline.dos_header.addressof_new_exeheader + 24 + self._outline.header.sizeof_optional_header
        head = bytearray(read_at(self._stream, 0, table + 40 * len(self._sections)))
        head += bytes(-len(head) % _ALIGNMENT)
        parts, position = [], len(head)
        for index in range(len(self._sections)):
            content = self._content.pop(index, b"")
            struct.pack_into("<II", head, table + 40 * index + 16, len(content), position if content else 0)
            parts += [content, bytes(-len(content) % _ALIGNMENT)]
            position += len(content) + len(parts[-1])
        return b"".join([head, *parts])

    def _names(self, kind: lief.PE.DataDirectory.TYPES) -> Iterator[int]:
        directory = self._outline.data_directory(kind)
        if directory is None or not directory.rva:
            return
        width, name_at = _TABLES[kind]
        for index in range(_MAX_IMPORTS):
            name = struct.unpack_from("<I", self._at(directory.rva + index * width, width), name_at)[0]
            if not name:  # the descriptor that ends the table
                return
            self._at(name, 1)
            yield name
        raise DamagedBinaryError("a table of imports does not end")

    def _at(self, address: int, size: int) -> bytes:
        """Return what is at an address in memory; its section is taken in."""
        for index, section in enumerate(self._sections):
            offset = address - section.virtual_address
            if 0 <= offset <= section.sizeof_raw_data - size:
                if section.sizeof_raw_data > _MAX_SECTION_BYTES:
                    raise DamagedBinaryError(f"section {section.name!r} with its imports is too large")
                if index not in self._content:
                    self._content[index] = read_at(self._stream, section.pointerto_raw_data, section.sizeof_raw_data)
                return self._content[index][offset : offset + size]
        raise DamagedBinaryError("a table of imports is in no section")
