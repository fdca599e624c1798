"""Blobs of a mirror: which are missing, how they come, and how they get their place."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pipeline.deploy.hashing import hash_files
from pipeline.deploy.side_by_side import in_parallel
from pipeline.deploy.steps import byte_progress, step
from pipeline.model.counts import counted
from pipeline.model.repository_layout import blob_path
from pipeline.ports import DownloadRequest, require_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.deploy.location import RepositoryLocation
    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.deploy.mirror.wanted import WantedFile
    from pipeline.ports import Disk, Services

_STEP = "download"
_SPARE_BYTES = 16 << 20  # for metadata, lists, and what the file system itself takes


def missing_files(
    layout: MirrorLayout, wanted: Mapping[str, WantedFile], *, repair: bool, jobs: int
) -> tuple[WantedFile, ...]:
    """Return the files that are not there with their signed size; with ``repair`` every byte is read as well."""
    there = {sha256: layout.blob(sha256) for sha256, file in wanted.items() if _has_size(layout, file)}
    if repair:
        digests = hash_files([str(path) for path in there.values()], jobs=jobs)
        there = {sha256: path for (sha256, path), found in zip(there.items(), digests, strict=True) if sha256 == found}
    return tuple(file for sha256, file in wanted.items() if sha256 not in there)


def require_room(folder: Path, needed_bytes: int, services: Services) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        NoSpaceError: there is too little; both figures are named.
    """
    hint = "choose less (--target, --keep, --without-bundles), or free some space; what came already is kept"
    require_space(folder, needed_bytes and needed_bytes + _SPARE_BYTES, host=services.host, hint=hint)


def bring(files: Sequence[WantedFile], place: RepositoryLocation, services: Services) -> None:
    """Download files into the store, several at a time; those that are there from an interrupted run stay.

    Raises:
        IntegrityError: the source has something else; NetworkError, OfflineError, NoSpaceError: as their names say.
            What came is kept for the next run.
    """
    if not files:
        return
    account = _Account(sum(file.size_bytes for file in files), byte_progress(services, _STEP))

    def work(file: WantedFile, go_on: Callable[[], None]) -> None:
        def told(done: int, total: int | None) -> None:  # noqa: ARG001 - the signed size is known
            go_on()
            account.tell(file.sha256, done)

        go_on()
        url = place.url(blob_path(file.sha256), size_bytes=file.size_bytes)
        services.downloader.fetch(
            DownloadRequest(
                what=file.what, urls=(url,), sha256=file.sha256, size_bytes=file.size_bytes, filename=file.sha256
            ),
            progress=told,
        )
        account.tell(file.sha256, file.size_bytes)

    with step(services, _STEP, why=f"{counted(len(files), 'file')} from {place.text}"):
        in_parallel(work, files, jobs=services.jobs)


def put_in_place(files: Iterable[WantedFile], layout: MirrorLayout, services: Services, disk: Disk) -> None:
    """Move downloaded files from the store to where readers look for them; they are on the disk already."""
    folders = set()
    for file in files:
        path = layout.blob(file.sha256)
        if path.parent not in folders:
            disk.make_dirs(path.parent)
            folders.add(path.parent)
        take_away([path], layout, disk)  # what is there has not the signed size, or not the bytes
        disk.move(services.store.blob_path(file.sha256), path, durable=False)
    for folder in sorted(folders):
        disk.sync_names(folder)


def take_away(paths: Iterable[Path], layout: MirrorLayout, disk: Disk) -> None:
    """Take files out of use one by one, then remove them: a reader finds a file whole or not at all."""
    there = [path for path in paths if path.exists() or path.is_symlink()]
    if not there:
        return
    away = layout.staging_dir / "removed"
    disk.make_dirs(away, durable=False)
    for number, path in enumerate(there):
        disk.move(path, away / str(number), durable=False)
    for folder in sorted({path.parent for path in there}):
        disk.sync_names(folder)
    disk.remove(away)


class _Account:
    """Adds up what many threads bring."""

    def __init__(self, total: int, progress: Callable[[int, int | None], None]) -> None:
        self._total = total
        self._progress = progress
        self._done: dict[str, int] = {}
        self._sum = 0
        self._turn = threading.Lock()

    def tell(self, sha256: str, done: int) -> None:
        with self._turn:
            self._sum += done - self._done.get(sha256, 0)
            self._done[sha256] = done
            self._progress(self._sum, self._total)


def _has_size(layout: MirrorLayout, file: WantedFile) -> bool:
    path = layout.blob(file.sha256)
    return path.is_file() and not path.is_symlink() and path.stat().st_size == file.size_bytes
