"""``delta.json``: how the files of a layer come out of those of another one, which a host has unpacked already."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.model.frozen import FileSize, Frozen, RelativePath, Sha256
from pipeline.model.tree import TreeEntry

INDEX_FILE = "delta.json"
PATCH_PARTS = ("steps", "gaps", "lengths", "values", "extra")
"""The streams of a patch (``system.delta_streams.Streams``), each a folder of a delta's archive."""
WHOLE_FOLDER = "whole"
"""Folder of the files that a delta brings as they are."""


_MOST_READ = 4  # bytes of old runs for each byte that is made: a tiny delta must not read hundreds of gigabytes
_FREE_BYTES = 64 << 10  # that are read for a small file, whatever it makes


class PatchedRun(Frozen):
    """A run of bytes of a new file, made of a run of the old one and a patch.

    Attributes:
        offset_bytes: where the old run begins.
        old_bytes: length of it.
        new_bytes: length of what comes out; never nothing, or there could be any number of runs.
    """

    offset_bytes: FileSize
    old_bytes: FileSize
    new_bytes: FileSize = Field(gt=0)


def may_read(old_bytes: int, new_bytes: int) -> bool:
    """Tell whether runs may read so many bytes of an old file to make so many; of real ones it is about as many."""
    return old_bytes <= _MOST_READ * new_bytes + _FREE_BYTES


class DeltaFile(Frozen):
    """One file or link of the new layer.

    Attributes:
        entry: as the new layer lists it.
        source: file of the old layer that it is made of; None where the delta brings it whole, and for links.
        runs: patched ones, in order; without any the bytes are those of ``source``.
    """

    entry: TreeEntry
    source: RelativePath | None = None
    runs: tuple[PatchedRun, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.runs and self.source is None:
            raise ValueError("runs need a source")
        if self.runs and sum(run.new_bytes for run in self.runs) != self.entry.size_bytes:
            raise ValueError("the runs do not make a file of its size")
        if not may_read(sum(run.old_bytes for run in self.runs), self.entry.size_bytes):
            raise ValueError("the runs read far more than they make")
        if (self.entry.link is None) != (self.entry.sha256 is not None) or (self.entry.link and self.source):
            raise ValueError("it is a file with a digest, or a link")
        return self


class DeltaIndex(Frozen):
    """``delta.json``, the first thing in a delta's archive.

    Attributes:
        schema_version: 1.
        old_tree: digest of the layer that it starts from.
        new_tree: digest of the layer that comes out.
        files: of the new layer, sorted by path.
    """

    schema_version: Literal[1] = 1
    old_tree: Sha256
    new_tree: Sha256
    files: tuple[DeltaFile, ...] = Field(min_length=1)


def part_path(folder: str, file: int, run: int | None = None) -> str:
    """Return where in a delta's archive a part of the file with that number lies.

    Args:
        folder: ``WHOLE_FOLDER``, or one of ``PATCH_PARTS``.
        file: position in ``DeltaIndex.files``.
        run: position in its runs; None for a whole file.
    """
    return f"{folder}/{file:06}" if run is None else f"{folder}/{file:06}.{run:04}"
