"""Exporting a mirror: numbered parts that fit the media at hand, and an index that says what is in them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.export_index import export_id, find_index, open_plain, read_plain
from pipeline.deploy.mirror.export_listing import list_base, list_mirror
from pipeline.deploy.mirror.export_stream import ExportStream
from pipeline.digest import CHUNK_BYTES, sha256_bytes
from pipeline.errors import IntegrityError, NoSpaceError, NothingSelectedError, UsageError
from pipeline.events import StepProgress
from pipeline.model.counts import counted
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.mirror_export import (
    INDEX_FILE,
    MOST_PARTS,
    ExportIndex,
    ExportJournal,
    ExportOutcome,
    ExportPart,
    part_name,
    part_sizes,
)
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.model.mirror_export import ExportedFile
    from pipeline.ports import Disk, Services

_STEP = "export"
_STAGING = ".export"
_SLACK_BYTES = 1 << 20  # for the index, the journal and the folder's own blocks


def export_mirror(
    mirror: Path,
    to: Path,
    *,
    services: Services,
    disk: Disk,
    part_size: int,
    since: Path | None = None,
    only_part: int | None = None,
    dry_run: bool = False,
) -> ExportOutcome:
    """Write a mirror as parts and an index; run again it goes on, or finds everything done and changes nothing.

    Every byte is compared with its digest as it is read, so a damaged mirror is not carried anywhere.

    Args:
        mirror: folder of a mirror or a published repository.
        to: folder for the parts, on the medium or beside it.
        services: events, space, work folders.
        disk: how files are written.
        part_size: of every part but the last, in bytes.
        since: a mirror's folder, an earlier export or its index: what is there is left out.
        only_part: write this part alone, and the index; the others are read for their digests.
        dry_run: say what would be written.

    Raises:
        UsageError: ``mirror`` or ``since`` is none, ``to`` holds another export, or there would be too many parts.
        NothingSelectedError: there is nothing new ``since`` then.
        IntegrityError: the mirror is damaged; the file is named.
        NoSpaceError: ``to`` has too little; nothing was written.
        HostError: ``to`` cannot be written.
    """
    files = list_mirror(mirror, jobs=services.jobs)
    base: tuple[ExportedFile, ...] = ()
    if since is not None:
        known = set(list_base(since, jobs=services.jobs))
        base = tuple(file for file in files if file in known)
        files = tuple(file for file in files if file not in known)
        if not files:
            raise NothingSelectedError(f"{mirror} has nothing that is not in {since}", hint="there is nothing to carry")
    sizes = _sizes(sum(file.size for file in files), part_size)
    if only_part is not None and only_part > len(sizes):
        raise UsageError(
            f"it has {counted(len(sizes), 'part')}, and no part {only_part}", hint="leave --only-part out to see"
        )
    exporting = _Exporting(mirror, to, files, base, sizes, services=services, disk=disk, part_size=part_size)
    if dry_run:
        return exporting.outcome(written=sum(sizes), kept=(), dry_run=True, changed=True)
    with services.store.work_dir(f"export-{sha256_bytes(str(to.absolute()).encode())[:16]}"):  # one exporter at a time
        return exporting.run(only_part)


def _sizes(total: int, part_size: int) -> list[int]:
    try:
        return part_sizes(total, part_size=part_size)
    except ValueError as error:
        raise UsageError(
            f"{total} bytes in parts of {part_size} are more than {MOST_PARTS} parts", hint="choose larger parts"
        ) from error


class _Exporting:
    """One export to one folder."""

    def __init__(
        self,
        mirror: Path,
        to: Path,
        files: tuple[ExportedFile, ...],
        base: tuple[ExportedFile, ...],
        sizes: list[int],
        *,
        services: Services,
        disk: Disk,
        part_size: int,
    ) -> None:
        self._mirror = mirror
        self._to = to
        self._files = files
        self._base = base
        self._sizes = sizes
        self._services = services
        self._disk = disk
        self._part_size = part_size
        self._id = export_id(files, base, part_size=part_size)
        self._names = [part_name(self._id, number) for number in range(1, len(sizes) + 1)]
        self._staging = to / _STAGING
        self._journal_path = to / f"mirror-{self._id}.unfinished.json"

    def run(self, only_part: int | None) -> ExportOutcome:
        finished = self._finished()
        kept = self._whole(finished)
        wanted = [name for number, name in enumerate(self._names, 1) if only_part in {None, number}]
        if finished is not None and all(name in kept for name in wanted):
            self._disk.remove(self._journal_path)
            self._disk.remove(self._staging)
            return self.outcome(written=0, kept=tuple(wanted), changed=False)
        to_write = [name for name in wanted if name not in kept]
        self._require_room(to_write)
        self._disk.make_dirs(self._to)
        self._disk.remove(self._staging)  # what an export that died has left
        self._disk.make_dirs(self._staging, durable=False)
        try:
            parts = self._write_parts(kept, set(to_write), needed=finished)
            self._put(self._to / INDEX_FILE, self._index(parts))
            self._disk.remove(self._journal_path)
        finally:
            self._disk.remove(self._staging)
        written = sum(size for name, size in zip(self._names, self._sizes, strict=True) if name in to_write)
        return self.outcome(written=written, kept=tuple(name for name in self._names if name in kept), changed=True)

    def _finished(self) -> ExportIndex | None:
        """Return the index that is there, None when there is none yet.

        Raises:
            UsageError: the folder holds another export, whole or begun.
        """
        others = [path.name for path in self._to.glob("mirror-*") if not path.name.startswith(f"mirror-{self._id}")]
        index = find_index(self._to)
        if others or (index is not None and index.id != self._id):
            raise UsageError(
                f"{self._to} holds another export{f': {min(others)}' if others else ''}",
                hint="give an empty folder, or remove that export; the parts of two exports do not mix",
            )
        return index

    def _whole(self, finished: ExportIndex | None) -> dict[str, ExportPart]:
        """Return the parts that are there and whole, each read again."""
        listed: tuple[ExportPart, ...] = ()
        if finished is not None:
            listed = finished.parts
        elif (data := read_plain(self._journal_path)) is not None:
            listed = read_document(ExportJournal, data, what=str(self._journal_path)).parts
        return {part.name: part for part in listed if part.name in self._names and self._is_whole(part)}

    def _is_whole(self, part: ExportPart) -> bool:
        digest, size = hashlib.sha256(), 0
        try:
            with open_plain(self._to / part.name) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
        except (FileNotFoundError, IntegrityError):
            return False
        return (size, digest.hexdigest()) == (part.size, part.sha256)

    def _write_parts(
        self, kept: dict[str, ExportPart], to_write: set[str], *, needed: ExportIndex | None
    ) -> list[ExportPart]:
        """Go through the stream once; parts that are kept are skipped, those that are not written only hashed."""
        known = {part.name: part for part in (needed.parts if needed else ())} | kept
        parts: list[ExportPart] = []
        stream: ExportStream | None = None
        position = 0
        for name, size in zip(self._names, self._sizes, strict=True):
            part = known.get(name)
            if part is None or name in to_write:
                stream = stream or ExportStream(self._mirror, self._files, position=position)
                chunks = self._told(stream.take(size), name, position)
                part = self._write(name, chunks) if name in to_write else _hashed(name, chunks)
            else:
                stream = None
            parts.append(part)
            if name in to_write:
                self._put(self._journal_path, ExportJournal(id=self._id, parts=tuple(parts)))
            position += size
        return parts

    def _told(self, chunks: Iterable[bytes], name: str, position: int) -> Iterator[bytes]:
        total = sum(self._sizes)
        for chunk in chunks:
            yield chunk
            position += len(chunk)
            self._services.events.emit(StepProgress(_STEP, position, total, "bytes", name))

    def _write(self, name: str, chunks: Iterable[bytes]) -> ExportPart:
        sha256, size = self._disk.write_chunks(self._staging / name, chunks)
        self._disk.sync(self._staging)
        self._disk.remove(self._to / name)  # damaged, or it would have been kept
        self._disk.move(self._staging / name, self._to / name)
        return ExportPart(name=name, size=size, sha256=sha256)

    def _index(self, parts: list[ExportPart]) -> ExportIndex:
        return ExportIndex(
            id=self._id, part_size=self._part_size, parts=tuple(parts), files=self._files, base=self._base
        )

    def _put(self, path: Path, document: ExportIndex | ExportJournal) -> None:
        self._disk.replace_file(path, write_document(document), staging_dir=self._staging)

    def _require_room(self, to_write: list[str]) -> None:
        unread = [
            ExportPart(name=name, size=size, sha256="0" * 64)
            for name, size in zip(self._names, self._sizes, strict=True)
        ]
        if len(write_document(self._index(unread))) > LIMIT_BYTES:
            raise UsageError(
                f"an index of {counted(len(self._files) + len(self._base), 'file')} is longer than any reader takes",
                hint="export a smaller mirror",
            )
        needed = sum(size for name, size in zip(self._names, self._sizes, strict=True) if name in to_write)
        # A damaged part is removed only after its replacement is whole.
        free = self._services.host.free_bytes(self._to)
        if free < needed + _SLACK_BYTES:
            raise NoSpaceError(
                f"{self._to} has {free} bytes free and the export needs {needed}",
                hint="choose another folder, or write one part at a time with --only-part",
            )

    def outcome(self, *, written: int, kept: tuple[str, ...], changed: bool, dry_run: bool = False) -> ExportOutcome:
        return ExportOutcome(
            id=self._id,
            folder=str(self._to),
            dry_run=dry_run,
            changed=changed,
            files=len(self._files),
            base_files=len(self._base),
            bytes_total=sum(self._sizes),
            bytes_written=written,
            parts=tuple(self._names),
            kept=kept,
        )


def _hashed(name: str, chunks: Iterable[bytes]) -> ExportPart:
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
    return ExportPart(name=name, size=size, sha256=digest.hexdigest())
