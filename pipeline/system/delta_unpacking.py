"""Applies deltas: a new layer out of an old one that is unpacked here, and a delta's archive.

Every path is judged by the code that judges archives, every length is declared before it is written, and the folder
takes its place when the digest of the whole tree is the signed one: whatever the old files are, nothing else counts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES, tree_digest
from pipeline.errors import IntegrityError
from pipeline.model.delta import INDEX_FILE, PATCH_PARTS, WHOLE_FOLDER, DeltaIndex, part_path
from pipeline.model.manifest_document import read_document
from pipeline.model.strict_json import LIMIT_BYTES
from pipeline.model.tree import Tree
from pipeline.system.archive_members import Limits, ListJudge, Member
from pipeline.system.archive_placing import FolderWriter, whole_folder
from pipeline.system.archive_reading import naming
from pipeline.system.archive_unpacking import UnpackRequest, unpack
from pipeline.system.delta_patching import OVERLAP_BYTES, RUN_BYTES, apply_patch, open_old, read_exactly, stream_limits
from pipeline.system.delta_streams import Streams
from pipeline.system.disk import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.model.delta import DeltaFile, PatchedRun
    from pipeline.system.archive_members import MemberKind

_SPARE_BYTES = 64 << 20  # for the index, the headers, and the steps
_LONGEST_OLD_RUN = RUN_BYTES + 2 * OVERLAP_BYTES
_LONGEST_NEW_RUN = RUN_BYTES


@dataclass(frozen=True, slots=True)
class DeltaRequest:
    """One delta and what must come out of it.

    Attributes:
        archive: of the delta.
        old: folder of the layer that it starts from.
        destination: a folder that is empty or not there yet.
        limits: that any archive must keep.
        sha256: of the archive.
        tree_sha256: of what comes out.
        files_bytes: that all files together have then.
        go_on: called before each run and piece; what it raises ends the work.
    """

    archive: Path
    old: Path
    destination: Path
    limits: Limits
    sha256: str
    tree_sha256: str
    files_bytes: int
    go_on: Callable[[], None] = lambda: None


def unpack_delta(request: DeltaRequest) -> Tree:
    """Make the new layer, whole or not at all.

    Raises:
        IntegrityError: the archive is not the signed one, malformed or dangerous, or what comes out is not the layer:
            an old file is gone or was changed. Nothing is left.
        NoSpaceError: nothing is left.
    """
    # The streams of a run are hardly longer than two of it (``stream_limits``), and a whole file is itself.
    most = min(request.limits.total_bytes, 2 * request.files_bytes + _SPARE_BYTES)
    limits = replace(request.limits, total_bytes=most, ratio_from_bytes=most)
    parts = request.destination.with_name(f"{request.destination.name}.delta")
    remove_tree(parts)
    try:
        unpack(UnpackRequest(request.archive, parts, limits, sha256=request.sha256))
        with naming(request.archive), whole_folder(request.destination) as folder:
            return _made(request, parts, FolderWriter(folder))
    finally:
        remove_tree(parts)


def _made(request: DeltaRequest, parts: Path, writer: FolderWriter) -> Tree:
    with open_old(parts, INDEX_FILE) as stream:
        data = stream.read(LIMIT_BYTES + 1)
    index = read_document(DeltaIndex, data, what=INDEX_FILE)
    judge = ListJudge(replace(request.limits, total_bytes=request.files_bytes))
    for file in index.files:  # all of the list, before anything is written
        entry = file.entry
        kind: MemberKind = "file" if entry.link is None else "link"
        judge.add(Member(entry.path, kind, entry.size_bytes, executable=entry.mode == 0o755, link=entry.link))
    judge.finish()
    if judge.files_bytes != request.files_bytes:
        raise IntegrityError(f"makes {judge.files_bytes} bytes, and not the {request.files_bytes} that were signed")
    reader = _Reader(request.old, parts, request.go_on)
    for number, file in enumerate(index.files):
        entry = file.entry
        if entry.link is not None:
            writer.add_link(entry.path, entry.link)
        else:
            writer.add_file(entry.path, reader.content(file, number), executable=entry.mode == 0o755)
    entries = sorted(writer.finish(), key=lambda entry: entry.path.encode())
    tree = Tree(sha256=tree_digest(entries), entries=tuple(entries))
    if tree.sha256 != request.tree_sha256:
        listed = {file.entry.path: file.entry.sha256 for file in index.files}
        wrong = next((e.path for e in entries if e.sha256 != listed[e.path]), "none")
        raise IntegrityError(f"does not make the layer that was signed; the first file that differs: {wrong}")
    return tree


class _Reader:
    """The bytes of new files, one after the other; at most one run of each is in memory."""

    def __init__(self, old: Path, parts: Path, go_on: Callable[[], None]) -> None:
        self._old = old
        self._parts = parts
        self._go_on = go_on

    def content(self, file: DeltaFile, number: int) -> Iterator[bytes]:
        """Yield a file's bytes, never more than its list says."""
        if file.runs and file.source is not None:
            with open_old(self._old, file.source) as stream:
                for position, run in enumerate(file.runs):
                    self._go_on()
                    _require_short(run)
                    old = read_exactly(stream, file.source, offset_bytes=run.offset_bytes, size_bytes=run.old_bytes)
                    yield apply_patch(old, run.new_bytes, self._streams(run, number, position))
            return
        folder, path = (
            (self._parts, part_path(WHOLE_FOLDER, number)) if file.source is None else (self._old, file.source)
        )
        left = file.entry.size_bytes
        with open_old(folder, path) as stream:
            while left and (chunk := stream.read(min(CHUNK_BYTES, left))):
                self._go_on()
                left -= len(chunk)
                yield chunk
            if left or stream.read(1):
                raise IntegrityError(f"needs {path!r} to have {file.entry.size_bytes} bytes, which it has not")

    def _streams(self, run: PatchedRun, number: int, position: int) -> Streams:
        """Read a run's streams; none is longer than a run of its length can need."""
        limits = zip(PATCH_PARTS, stream_limits(run.new_bytes), strict=True)
        return Streams(*(self._stream(part_path(name, number, position), limit) for name, limit in limits))

    def _stream(self, path: str, limit_bytes: int) -> bytes:
        if not os.path.lexists(self._parts / path):
            return b""  # nothing is written of an empty one
        with open_old(self._parts, path) as stream:
            data = stream.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise IntegrityError(f"holds {path!r}, which is longer than what it makes")
        return data


def _require_short(run: PatchedRun) -> None:
    if run.old_bytes > _LONGEST_OLD_RUN or run.new_bytes > _LONGEST_NEW_RUN:
        raise IntegrityError(f"holds a run of {max(run.old_bytes, run.new_bytes)} bytes, more than any may have")
