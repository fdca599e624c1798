"""Makes deltas: an archive with ``delta.json``, the patches of files that changed, and the files that are new.

The same two layers give the same bytes.
"""

from __future__ import annotations

from operator import le
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.model.delta import INDEX_FILE, PATCH_PARTS, WHOLE_FOLDER, DeltaFile, DeltaIndex, may_read, part_path
from pipeline.model.manifest_document import write_document
from pipeline.system.delta_choosing import choose_sources
from pipeline.system.delta_patching import make_patch, open_old, read_exactly, runs_of, stream_limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.model.delta import PatchedRun
    from pipeline.model.tree import TreeEntry
    from pipeline.ports import PlacedTree
    from pipeline.system.delta_choosing import Source

_QUICK_LEVEL = 3  # to find out whether a patch pays
_TRIFLE_BYTES = 4096  # a run that packs to less is made of nothing old; bsdiff takes long with runs of zeros
_NEVER = 1 << 62  # more than any file has


def write_parts(
    old: PlacedTree, new: PlacedTree, folder: Path, *, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write what goes into a delta's archive.

    Args:
        old: the layer that it starts from.
        new: the layer that comes out.
        folder: a new one.
        progress: told how many bytes of the new files were looked at, and how many there are.

    Raises:
        IntegrityError: a file is not what its list says.
    """
    for name in (*PATCH_PARTS, WHOLE_FOLDER):
        (folder / name).mkdir(parents=True)
    sources = choose_sources(old.tree.entries, new.tree.entries)
    files, done, total = [], 0, new.tree.size_bytes
    for number, entry in enumerate(new.tree.entries):
        files.append(_Writing(old.folder, new.folder, folder, number).write(entry, sources.get(entry.path)))
        done += entry.size_bytes
        if progress is not None:
            progress(done, total)
    index = DeltaIndex(old_tree=old.tree.sha256, new_tree=new.tree.sha256, files=tuple(files))
    (folder / INDEX_FILE).write_bytes(write_document(index))
    for name in (*PATCH_PARTS, WHOLE_FOLDER):
        if not any((folder / name).iterdir()):
            (folder / name).rmdir()


class _Writing:
    """One file on its way into a delta."""

    def __init__(self, old: Path, new: Path, parts: Path, number: int) -> None:
        self._old = old
        self._new = new
        self._parts = parts
        self._number = number

    def write(self, entry: TreeEntry, source: Source | None) -> DeltaFile:
        if entry.link is not None:
            return DeltaFile(entry=entry)
        if source is not None and source.is_same:
            return DeltaFile(entry=entry, source=source.entry.path)
        if source is not None and (runs := self._patched(entry, source.entry)):
            return DeltaFile(entry=entry, source=source.entry.path, runs=runs)
        with (
            open_old(self._new, entry.path) as stream,
            (self._parts / part_path(WHOLE_FOLDER, self._number)).open("xb") as sink,
        ):
            while chunk := stream.read(CHUNK_BYTES):
                sink.write(chunk)
            if sink.tell() != entry.size_bytes:
                raise IntegrityError(
                    f"{entry.path} changed while its delta was made", hint="run the same command again"
                )
        return DeltaFile(entry=entry)

    def _patched(self, entry: TreeEntry, source: TreeEntry) -> tuple[PatchedRun, ...]:
        """Write a file's patches; return its runs, none where the file itself is smaller than what they take."""
        runs = list(runs_of(source.size_bytes, entry.size_bytes))
        if not may_read(sum(run.old_bytes for run in runs), entry.size_bytes):
            return ()
        patched = whole = 0
        with open_old(self._old, source.path) as before, open_old(self._new, entry.path) as after:
            for position, run in enumerate(runs):
                new = read_exactly(after, entry.path, offset_bytes=after.tell(), size_bytes=run.new_bytes)
                own = _packed_bytes(new)
                whole += own
                if own < _TRIFLE_BYTES:
                    runs[position] = run.model_copy(update={"offset_bytes": 0, "old_bytes": 0})
                place, size = runs[position].offset_bytes, runs[position].old_bytes
                old = read_exactly(before, source.path, offset_bytes=place, size_bytes=size)
                streams = make_patch(old, new)
                fits = all(map(le, map(len, streams), stream_limits(len(new))))
                patched += sum(map(_packed_bytes, streams)) if fits else _NEVER
                for name, stream in zip(PATCH_PARTS, streams, strict=True):
                    if stream:  # an archive has so many entries at most: none is spent on nothing
                        (self._parts / part_path(name, self._number, position)).write_bytes(stream)
        if patched < whole:
            return tuple(runs)
        for name in PATCH_PARTS:
            for position in range(len(runs)):
                (self._parts / part_path(name, self._number, position)).unlink(missing_ok=True)
        return ()


def _packed_bytes(data: bytes) -> int:
    from zstandard import ZstdCompressor  # noqa: PLC0415  # compiled, not needed by most

    return len(ZstdCompressor(level=_QUICK_LEVEL).compress(data))
