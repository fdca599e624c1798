"""What is in a layer's files: kept for every later report, since a layer never changes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import FileSize, Frozen, Line, RelativePath, Sha256

ANALYSIS_VERSION = 1
"""Of the reading: contents that another version read are read anew."""

BinaryFormat = Literal["elf", "pe", "macho"]


class SectionSizes(Frozen):
    """Where the bytes of one executable or library are; the sum is the file's size.

    Attributes:
        text: machine code for the processor.
        rodata: constants, tables for unwinding, and what a loader reads: names, relocations.
        data: what a program changes while it runs, as far as the file has it.
        debug: for debuggers alone.
        symbols: the full symbol table and its names, which only debuggers and profilers read.
        gpu: code for GPUs, architecture to bytes as they are in the file: ``sm_90``, ``compute_90``, ``gfx1100``. What
            stands between the pieces is under the empty name.
        other: headers, padding, and what follows the last section.
    """

    text: FileSize = 0
    rodata: FileSize = 0
    data: FileSize = 0
    debug: FileSize = 0
    symbols: FileSize = 0
    gpu: dict[Line, FileSize] = {}
    other: FileSize = 0

    @property
    def gpu_bytes(self) -> int:
        """All code for GPUs."""
        return sum(self.gpu.values())

    @property
    def total(self) -> int:
        """The file's size."""
        return self.text + self.rodata + self.data + self.debug + self.symbols + self.gpu_bytes + self.other


class FileFootprint(Frozen):
    """One file or symbolic link of a layer.

    Attributes:
        path: within the layer; an installation has it at the same place.
        size: in bytes; 0 for a link.
        sha256: of its bytes; None for a link.
        mode: whether it is a program, another file, or a link to one.
        format: of an executable or a library; None for any other file.
        sections: of an ELF file; None for any other.
    """

    path: RelativePath
    size: FileSize
    sha256: Sha256 | None
    mode: Literal["executable", "plain", "link"] = "plain"
    format: BinaryFormat | None = None
    sections: SectionSizes | None = None

    @property
    def unstripped_bytes(self) -> int:
        """What only a debugger reads of it."""
        return self.sections.debug + self.sections.symbols if self.sections else 0


class LayerContent(Frozen):
    """What was read of a layer.

    Attributes:
        tree_sha256: of the layer.
        analysis: version of the reading.
        files: sorted by path.
    """

    tree_sha256: Sha256
    analysis: int = Field(ge=1)
    files: tuple[FileFootprint, ...]
