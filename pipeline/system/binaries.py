"""Reads ELF files with lief."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import IntegrityError
from pipeline.model.binary import BinaryCard

if TYPE_CHECKING:
    from pathlib import Path

_ELF_MAGIC = b"\x7fELF"
_MACHINES = {"X86_64": "x86_64", "AARCH64": "arm64", "I386": "x86", "ARM": "arm", "RISCV": "riscv"}
_BUILD_ID_NOTE = "GNU_BUILD_ID"


class LiefInspector:
    """Implements ``ports.BinaryInspector``; anything that is no ELF file is no binary to it."""

    def inspect(self, path: Path) -> BinaryCard | None:
        """Return what a binary says of itself, None for any other file.

        Raises:
            IntegrityError: it starts like an ELF file and cannot be read as one.
        """
        with path.open("rb") as stream:
            if stream.read(len(_ELF_MAGIC)) != _ELF_MAGIC:
                return None
        import lief  # noqa: PLC0415  # 50 ms and 30 MB that only inspections need

        lief.logging.disable()
        config = lief.ELF.ParserConfig()
        config.parse_relocations = False
        config.parse_dyn_symbols = False
        config.parse_symtab_symbols = False
        config.parse_overlay = False
        binary = lief.ELF.parse(str(path), config)
        if binary is None:
            raise IntegrityError(f"{path} starts like an ELF file and is damaged", hint="make it anew")
        return _card(lief, binary)


def _card(lief: Any, binary: Any) -> BinaryCard:  # noqa: ANN401  # lief ships no types for these
    tags = lief.ELF.DynamicEntry.TAG
    sections = [section.name for section in binary.sections]
    soname = binary.get(tags.SONAME)
    needed = tuple(str(entry.name) for entry in binary.dynamic_entries if entry.tag == tags.NEEDED)
    kinds = lief.ELF.Header.FILE_TYPE
    return BinaryCard(
        format="elf",
        machine=_MACHINES.get(binary.header.machine_type.name, binary.header.machine_type.name.lower()),
        is_executable=binary.header.file_type == kinds.EXEC or bool(binary.has_interpreter),
        soname=None if soname is None else str(soname.name),
        needed=needed,
        runpath=_runpath(binary, tags),
        version_needs=_version_needs(binary),
        has_symbols=".symtab" in sections,
        has_debug=any(name.startswith(".debug_") for name in sections),
        build_id=_build_id(binary),
    )


def _runpath(binary: Any, tags: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return RUNPATH, or the older RPATH, entry by entry."""
    for tag, attribute in ((tags.RUNPATH, "runpath"), (tags.RPATH, "rpath")):
        entry = binary.get(tag)
        if entry is not None:
            return tuple(part for part in str(getattr(entry, attribute)).split(":") if part)
    return ()


def _version_needs(binary: Any) -> dict[str, tuple[str, ...]]:  # noqa: ANN401
    needs: dict[str, set[str]] = {}
    for requirement in binary.symbols_version_requirement:
        versions = {str(auxiliary.name) for auxiliary in requirement.get_auxiliary_symbols()}
        needs.setdefault(str(requirement.name), set()).update(versions)
    return {library: tuple(sorted(versions)) for library, versions in needs.items()}


def _build_id(binary: Any) -> str | None:  # noqa: ANN401
    for note in binary.notes:
        if getattr(note.type, "name", "") == _BUILD_ID_NOTE:
            return bytes(note.description).hex()
    return None
