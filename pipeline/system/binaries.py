"""What executables and shared libraries say of themselves. ELF only so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.model.binary import BinaryCard
from pipeline.system.elf_reading import EXECUTABLE_TYPE, INTERPRETER_SEGMENT, MAGIC, DamagedElfError, ElfFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "arm64", 243: "riscv"}  # e_machine
_NEEDED, _SONAME, _RPATH, _RUNPATH, _FLAGS_1 = 1, 14, 15, 29, 0x6FFFFFFB
_PIE_FLAG = 0x08000000  # DF_1_PIE
_BUILD_ID_NOTE = (b"GNU", 3)


class ElfInspector:
    """Implements ``ports.BinaryInspector``; anything that is no ELF file is no binary to it."""

    def inspect(self, path: Path) -> BinaryCard | None:
        """Return what a binary says of itself, None for any other file.

        Raises:
            IntegrityError: it starts like an ELF file and cannot be read as one.
        """
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                return None
            try:
                return _card(ElfFile(stream))
            except DamagedElfError as error:
                raise IntegrityError(
                    f"{path} starts like an ELF file and is damaged: {error}", hint="make it anew"
                ) from error


def _card(elf: ElfFile) -> BinaryCard:
    sections = elf.section_names()
    soname = next((elf.string(value) for tag, value in elf.dynamic if tag == _SONAME), None)
    return BinaryCard(
        format="elf",
        machine=_MACHINES.get(elf.machine, f"machine-{elf.machine}"),
        is_executable=soname is None and _is_program(elf),
        soname=soname,
        needed=tuple(elf.string(value) for tag, value in elf.dynamic if tag == _NEEDED),
        runpath=_runpath(elf),
        version_needs=_by_library(elf.version_needs()),
        has_symbols=".symtab" in sections,
        has_debug=any(name.startswith((".debug_", ".zdebug_")) for name in sections),
        build_id=next((content.hex() for *kind, content in elf.notes() if tuple(kind) == _BUILD_ID_NOTE), None),
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
