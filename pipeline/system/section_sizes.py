"""Where an ELF file's bytes are: code, constants, data, GPU code, and what only debuggers read (gABI, chapter 4)."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO

from pipeline.model.layer_content import SectionSizes
from pipeline.system.byte_reading import DamagedBinaryError
from pipeline.system.elf_reading import DamagedElfError, ElfFile
from pipeline.system.gpu_code import FileSection, gpu_sizes, is_gpu_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.system.elf_reading import Section

_WRITE, _ALLOCATE, _EXECUTE = 1, 2, 4  # sh_flags
_DEBUG_PREFIXES = (".debug_", ".zdebug_", ".gnu.debuglto_", ".stab")
_DEBUG_NAMES = {".gnu_debugdata", ".gdb_index"}
_SYMBOL_NAMES = {".symtab", ".strtab", ".symtab_shndx"}


def section_sizes(stream: BinaryIO) -> SectionSizes | None:
    """Return where the bytes of an ELF file are, None where it is damaged and nobody can tell.

    A section of GPU code that cannot be read is GPU code of no architecture.
    """
    try:
        sections = ElfFile(stream).sections()
    except DamagedElfError:
        return None
    file_bytes = stream.seek(0, os.SEEK_END)
    sizes = Counter(dict.fromkeys(("text", "rodata", "data", "debug", "symbols", "gpu", "other"), 0))
    for section in sections:
        sizes[_kind(section)] += section.size
    rest = file_bytes - sizes.total()
    if rest < 0:  # sections overlap, or reach past the end
        return None
    gpu = _gpu(stream, sections, sizes["gpu"])
    return SectionSizes(
        text=sizes["text"],
        rodata=sizes["rodata"],
        data=sizes["data"],
        debug=sizes["debug"],
        symbols=sizes["symbols"],
        gpu=gpu,
        other=sizes["other"] + rest,
    )


def _kind(section: Section) -> str:
    if is_gpu_section(section.name):
        return "gpu"
    if section.name.startswith(_DEBUG_PREFIXES) or section.name in _DEBUG_NAMES:
        return "debug"
    if section.name in _SYMBOL_NAMES:
        return "symbols"
    if not section.flags & _ALLOCATE:
        return "other"
    if section.flags & _EXECUTE:
        return "text"
    return "data" if section.flags & _WRITE else "rodata"


def _gpu(stream: BinaryIO, sections: Sequence[Section], total: int) -> dict[str, int]:
    if not total:
        return {}
    try:
        return gpu_sizes(stream, (FileSection(s.name, s.offset, s.size) for s in sections))
    except DamagedBinaryError:
        return {"": total}
