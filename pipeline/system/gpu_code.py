"""For which GPUs a library has code, from the sections that a vendor's runtime takes that code from.

Only headers are read, wherever they stand: such a section has up to two gigabytes.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pipeline.accelerators.architectures import sorted_architectures
from pipeline.system.byte_reading import DamagedBinaryError
from pipeline.system.fat_binaries import fat_binary_pieces
from pipeline.system.offload_bundles import bundle_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable

# CUDA's include/fatbinary_section.h, clang's lib/Driver/ToolChains/HIPUtility.cpp. Names in PE end after eight
# characters. What was linked from relocatable device code has that beside it: the driver takes what was not linked.
_READERS = {
    ".nv_fatbin": fat_binary_pieces,
    ".nv_fatb": fat_binary_pieces,
    "__nv_relfatbin": fat_binary_pieces,
    "__nv_rel": fat_binary_pieces,
    ".hip_fatbin": bundle_pieces,
    ".hip_fat": bundle_pieces,
}


class FileSection(NamedTuple):
    """Where a section of a binary stands in its file."""

    name: str
    offset: int
    size: int


def gpu_architectures(stream: BinaryIO, sections: Iterable[FileSection]) -> tuple[str, ...]:
    """Return what the code in a file's sections was compiled for: ``sm_90a``, ``compute_90``, ``gfx90a:xnack-``.

    Names are sorted by number; a file without GPU code has none.

    Raises:
        DamagedBinaryError: a section of GPU code cannot be read to its end, or pieces of it overlap.
    """
    return tuple(name for name in gpu_sizes(stream, sections) if name)


def gpu_sizes(stream: BinaryIO, sections: Iterable[FileSection]) -> dict[str, int]:
    """Return how many bytes of a file's sections of GPU code each architecture takes, sorted by number.

    What belongs to none, headers and padding among it, is under the empty name, which comes last; the sum is that of
    the sections.

    Raises:
        DamagedBinaryError: as ``gpu_architectures``.
    """
    found: Counter[str] = Counter()
    total = 0
    file_bytes = stream.seek(0, os.SEEK_END)
    for section in sections:
        if section.name in _READERS and section.size:
            if section.offset + section.size > file_bytes:
                raise DamagedBinaryError(f"section {section.name} reaches past the end")
            total += section.size
            for name, size in _READERS[section.name](stream, section.offset, section.offset + section.size):
                found[name] += size
    del found[""]
    sizes = {name: found[name] for name in sorted_architectures(found)}
    rest = total - sum(sizes.values())
    if rest < 0:
        raise DamagedBinaryError("pieces of GPU code take more bytes than their sections have")
    return {**sizes, "": rest} if rest else sizes


def is_gpu_section(name: str) -> bool:
    """Tell whether a section holds code for GPUs."""
    return name in _READERS
