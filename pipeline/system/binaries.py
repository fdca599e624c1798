"""What executables and shared libraries say of themselves: ELF read here, PE and Mach-O by ``lief_process``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.model.binary import BinaryCard
from pipeline.system.byte_reading import DamagedBinaryError
from pipeline.system.elf_reading import (
    EXECUTABLE_TYPE,
    INTERPRETER_SEGMENT,
    MAGIC,
    OBJECT_TYPE,
    DamagedElfError,
    ElfFile,
)
from pipeline.system.gpu_code import FileSection, gpu_architectures
from pipeline.system.lief_process import LiefProcess

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "arm64", 190: "cuda", 224: "amdgpu", 243: "riscv"}  # e_machine
_NEEDED, _SONAME, _RPATH, _RUNPATH, _FLAGS_1 = 1, 14, 15, 29, 0x6FFFFFFB
_PIE_FLAG = 0x08000000  # DF_1_PIE
_BUILD_ID_NOTE = (b"GNU", 3)


_MACHO = {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"}
_UNIVERSAL = {b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"}
_JAVA_VERSION = (
    45  # a class file starts like a universal file; where that counts its parts, it has a version from 45 on
)
_PE_OFFSET_AT, _PE_MAGIC = 0x3C, b"PE\0\0"
_PE_SUFFIXES = {".exe", ".dll"}


class FileInspector:
    """Implements ``ports.BinaryInspector`` for the binaries of Linux, Windows and macOS, on any of them."""

    def __init__(self, foreign: LiefProcess | None = None) -> None:
        """Make an inspector; the process for PE and Mach-O starts with the first of them."""
        self._foreign = foreign or LiefProcess()

    def inspect(self, path: Path) -> BinaryCard | None:
        """Return what a binary says of itself, None for any other file.

        Raises:
            IntegrityError: it starts like a binary, or has the name of a Windows one, and cannot be read as one.
            HostError: it is a PE or Mach-O file, and lief is not installed.
        """
        with path.open("rb") as stream:
            start = stream.read(_PE_OFFSET_AT + 4)
            if start[: len(MAGIC)] == MAGIC:
                return _read_elf(path, stream)
            is_pe = start[:2] == b"MZ" and _has_pe_header(start, stream)
        if is_pe or start[:4] in _MACHO or (start[:4] in _UNIVERSAL and _parts(start) < _JAVA_VERSION):
            return self._foreign.read(path)
        if path.suffix.lower() in _PE_SUFFIXES:
            raise IntegrityError(
                f"{path} has the name of a Windows binary and is none", hint="make or download it anew"
            )
        return None


def _has_pe_header(start: bytes, stream: BinaryIO) -> bool:
    stream.seek(int.from_bytes(start[_PE_OFFSET_AT:], "little"))
    return stream.read(len(_PE_MAGIC)) == _PE_MAGIC


def _parts(start: bytes) -> int:
    return int.from_bytes(start[4:8], "big")


def _read_elf(path: Path, stream: BinaryIO) -> BinaryCard:
    try:
        return _card(ElfFile(stream), stream)
    except (DamagedElfError, DamagedBinaryError) as error:
        raise IntegrityError(f"{path} starts like an ELF file and is damaged: {error}", hint="make it anew") from error


def _card(elf: ElfFile, stream: BinaryIO) -> BinaryCard:
    sections = elf.sections()
    names = {section.name for section in sections}
    soname = next((elf.string(value) for tag, value in elf.dynamic if tag == _SONAME), None)
    return BinaryCard(
        format="elf",
        machine=_MACHINES.get(elf.machine, f"machine-{elf.machine}"),
        is_executable=soname is None and _is_program(elf),
        soname=soname,
        needed=tuple(elf.string(value) for tag, value in elf.dynamic if tag == _NEEDED),
        runpath=_runpath(elf),
        version_needs=_by_library(elf.version_needs()),
        is_object=elf.kind == OBJECT_TYPE,
        has_symbols=".symtab" in names,
        has_debug=any(name.startswith((".debug_", ".zdebug_")) for name in names),
        build_id=next((content.hex() for *kind, content in elf.notes() if tuple(kind) == _BUILD_ID_NOTE), None),
        gpu_architectures=gpu_architectures(stream, (FileSection(s.name, s.offset, s.size) for s in sections)),
    )


def _is_program(elf: ElfFile) -> bool:
    """Tell a program from a library; a position independent one has the type of a library."""
    return (
        elf.kind == EXECUTABLE_TYPE
        or any(segment.kind == INTERPRETER_SEGMENT for segment in elf.segments)
        or any(tag == _FLAGS_1 and value & _PIE_FLAG for tag, value in elf.dynamic)
    )


def _runpath(elf: ElfFile) -> tuple[str, ...]:
    """Return RUNPATH, or the older RPATH, entry by entry; a loader takes RPATH only where there is no RUNPATH."""
    values = dict(elf.dynamic)
    for tag in (_RUNPATH, _RPATH):
        if tag in values:
            return tuple(part for part in elf.string(values[tag]).split(":") if part)
    return ()


def _by_library(needs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for library, version in needs:
        found.setdefault(library, set()).add(version)
    return {library: tuple(sorted(versions)) for library, versions in found.items()}
