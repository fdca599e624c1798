"""Mach-O files, read with lief from their load commands alone.

These stand first and say everything; of a large library the rest is never read. The layouts are Apple's:
<mach-o/loader.h>, <mach-o/fat.h> and, for signatures, <kern/cs_blobs.h>.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO, Literal

import lief

from pipeline.model.binary import BinaryCard
from pipeline.names import version_key
from pipeline.system.byte_reading import DamagedBinaryError, enum_name, read_at, require_text

if TYPE_CHECKING:
    from collections.abc import Iterator

# Magic of a universal file and the form of its entries: processor, variant, offset, size, alignment.
_UNIVERSAL = {b"\xca\xfe\xba\xbe": ">5I", b"\xca\xfe\xba\xbf": ">IIQQII"}
_MAX_ARCHITECTURES = 44
_HEADER_BYTES = 32
_MAX_COMMAND_BYTES = 16 << 20
_MACHINES = {"X86_64": "x86_64", "ARM64": "arm64", "X86": "x86", "ARM": "arm"}
_UNLOADED = {1, 9, 10}  # MH_OBJECT, MH_DYLIB_STUB, MH_DSYM
_SUPER_BLOB, _CMS_SLOT, _EMPTY_BLOB_BYTES = 0xFADE0CC0, 0x10000, 8


def read_macho(stream: BinaryIO, size: int) -> BinaryCard:
    """Return the card of a Mach-O file of ``size`` bytes; that of a universal file holds for all its parts.

    Raises:
        DamagedBinaryError: it is none, cut off, or has load commands that cannot be read.
    """
    cards = [_read_part(stream, offset, length) for offset, length in _parts(stream, size)]
    first = cards[0]
    if len(cards) == 1:
        return first
    floors = [card.lowest_system for card in cards if card.lowest_system]
    return first.model_copy(
        update={
            "architectures": tuple(card.machine for card in cards),
            "needed": tuple(dict.fromkeys(name for card in cards for name in card.needed)),
            "optional": tuple(dict.fromkeys(name for card in cards for name in card.optional)),
            "runpath": tuple(dict.fromkeys(entry for card in cards for entry in card.runpath)),
            "lowest_system": max(floors, key=version_key, default=None),
            "signature": next((card for card in cards if card.machine == "arm64"), first).signature,
        }
    )


def _parts(stream: BinaryIO, size: int) -> Iterator[tuple[int, int]]:
    """Yield offset and size of each architecture; a file of one has itself."""
    form = _UNIVERSAL.get(read_at(stream, 0, 4))
    if form is None:
        yield 0, size
        return
    count = struct.unpack(">I", read_at(stream, 4, 4))[0]
    if not 0 < count <= _MAX_ARCHITECTURES:
        raise DamagedBinaryError("it has no architectures")
    width = struct.calcsize(form)
    for index in range(count):
        _, _, offset, length, *_ = struct.unpack(form, read_at(stream, 8 + index * width, width))
        if offset + length > size:
            raise DamagedBinaryError("an architecture reaches past the end")
        yield offset, length


def _read_part(stream: BinaryIO, start: int, size: int) -> BinaryCard:
    binary = _parse(stream, start, size)
    for segment in binary.segments:
        if segment.file_offset + segment.file_size > size:
            raise DamagedBinaryError(f"segment {segment.name!r} reaches past the end")
    kinds = lief.MachO.LoadCommand.TYPE
    libraries = [(library.command, require_text(library.name)) for library in binary.libraries]
    system, lowest = _floor(binary)
    cpu = binary.header.cpu_type
    return BinaryCard(
        format="macho",
        machine=_MACHINES.get(enum_name(cpu), f"machine-{int(cpu):#x}"),
        is_executable=binary.header.file_type == lief.MachO.Header.FILE_TYPE.EXECUTE,
        soname=next((name for kind, name in libraries if kind == kinds.ID_DYLIB), None),
        needed=tuple(name for kind, name in libraries if kind not in {kinds.ID_DYLIB, kinds.LOAD_WEAK_DYLIB}),
        runpath=tuple(require_text(command.path) for command in binary.rpaths),
        version_needs={},
        has_symbols=False,
        has_debug=False,
        build_id=bytes(binary.uuid.uuid).hex() if binary.uuid else None,
        optional=tuple(name for kind, name in libraries if kind == kinds.LOAD_WEAK_DYLIB),
        system=system,
        lowest_system=lowest,
        signature=_signature(stream, start, size, binary),
        is_object=int(binary.header.file_type) in _UNLOADED,
    )


def _parse(stream: BinaryIO, start: int, size: int) -> lief.MachO.Binary:
    commands_bytes = struct.unpack("<I", read_at(stream, start + 20, 4))[0]
    if commands_bytes > min(size, _MAX_COMMAND_BYTES):
        raise DamagedBinaryError("its load commands reach past the end")
    config = lief.MachO.ParserConfig()
    config.parse_dyld_exports = config.parse_dyld_bindings = config.parse_dyld_rebases = False
    parsed = lief.MachO.parse(read_at(stream, start, min(size, _HEADER_BYTES + commands_bytes)), config)
    binary = parsed.at(0) if parsed is not None and len(parsed) else None
    if binary is None or len(binary.commands) != binary.header.nb_cmds:
        raise DamagedBinaryError("its load commands cannot be read")
    return binary


def _floor(binary: lief.MachO.Binary) -> tuple[str | None, str | None]:
    """Return the system and its lowest version; of several the one for macOS."""
    found = {}
    for command in binary.commands:
        if isinstance(command, lief.MachO.BuildVersion):
            found[enum_name(command.platform).lower()] = command.minos
        elif isinstance(command, lief.MachO.VersionMin):  # before 2018
            found[command.command.name.removeprefix("VERSION_MIN_").lower().replace("macosx", "macos")] = (
                command.version
            )
    if not found:
        return None, None
    system = "macos" if "macos" in found else next(iter(found))
    major, minor, patch = found[system]
    return system, f"{major}.{minor}.{patch}" if patch else f"{major}.{minor}"


def _signature(stream: BinaryIO, start: int, size: int, binary: lief.MachO.Binary) -> Literal["adhoc", "cms"] | None:
    command = binary.code_signature
    if command is None:
        return None
    at, length = command.data_offset, command.data_size
    if at + length > size:
        raise DamagedBinaryError("its signature reaches past the end")
    magic, _, count = struct.unpack(">3I", read_at(stream, start + at, 12))
    if magic != _SUPER_BLOB or 12 + 8 * count > length:
        raise DamagedBinaryError("its signature cannot be read")
    for slot, offset in struct.iter_unpack(">II", read_at(stream, start + at + 12, 8 * count)):
        blob_bytes = struct.unpack(">I", read_at(stream, start + at + offset + 4, 4))[0]
        if slot == _CMS_SLOT and blob_bytes > _EMPTY_BLOB_BYTES:
            return "cms"
    return "adhoc"
