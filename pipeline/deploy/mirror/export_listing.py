"""What there is to export of a mirror: every file for others, with its digest, in the order of the stream."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline.deploy.hashing import hash_files
from pipeline.deploy.mirror.export_index import read_index
from pipeline.deploy.mirror.promised import lacking
from pipeline.deploy.mirror.signed_chain import lane_folders, read_chain
from pipeline.deploy.shapes import walk
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.counts import counted
from pipeline.model.mirror_export import ExportedFile
from pipeline.model.mirror_paths import COPIES, OPEN_FOLDERS, is_public
from pipeline.model.repository_layout import BLOBS_FOLDER, LANES_FOLDER, METADATA_FOLDER, blob_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ORDER = (METADATA_FOLDER, LANES_FOLDER, *COPIES, *OPEN_FOLDERS, BLOBS_FOLDER)


def list_mirror(mirror: Path, *, jobs: int) -> tuple[ExportedFile, ...]:
    """Return every file of a mirror that is for others, in the order of the stream.

    Of the metadata only what is current and the roots are taken, of the blobs only what is signed. Files with names of
    their own are read for their digests, blobs are not: their name is their digest, and they are read when they travel.

    Raises:
        UsageError: ``mirror`` is no mirror.
        IntegrityError: it is damaged: metadata that does not fit together, or a file that has another size, kind or
            name than it can have.
    """
    chains = [read_chain(mirror, folder) for folder in lane_folders(mirror)]
    if not chains:
        raise UsageError(f"{mirror} is no mirror", hint="give the folder that `mirror create` or `publish` wrote")
    files = [
        ExportedFile(path=f"{chain.folder}/{name}", size=len(data), sha256=sha256_bytes(data))
        for chain in chains
        for name, data in chain.files.items()
    ]
    signed: dict[str, int] = {}
    for chain in chains:
        for sha256, size in chain.targets.items():
            if signed.setdefault(sha256, size) != size:
                raise IntegrityError(f"{mirror}: {blob_path(sha256)} is signed with two sizes")
    files += _blobs(mirror, signed)
    files += _named(mirror, jobs=jobs)
    if lost := lacking(mirror, chains, files):
        raise IntegrityError(
            f"{mirror} lacks {counted(len(lost), 'file')} that it should have, {lost[0]} the first",
            hint="the mirror is incomplete: `mirror verify` names them all, `mirror sync` brings them",
        )
    return tuple(sorted(files, key=lambda file: (_ORDER.index(_rank(file.path)), file.path.encode())))


def list_base(place: Path, *, jobs: int) -> tuple[ExportedFile, ...]:
    """Return the files that are already where an export goes: of a mirror's folder, or as an earlier export left it.

    Raises:
        UsageError: it is neither.
        IntegrityError: it is damaged.
    """
    if place.is_dir() and lane_folders(place):
        return list_mirror(place, jobs=jobs)
    index = read_index(place)
    return (*index.files, *index.base)


def _rank(path: str) -> str:
    return path.partition("/")[0]


def _blobs(mirror: Path, signed: dict[str, int]) -> Iterable[ExportedFile]:
    for sha256, size in sorted(signed.items()):
        path = blob_path(sha256)
        status = _status(mirror / path)
        if status is None:
            continue
        if status.st_size != size:
            raise IntegrityError(
                f"{mirror / path} has {status.st_size} bytes and {size} are signed",
                hint="the mirror is damaged: `mirror verify` names every such file, `mirror sync` brings it anew",
            )
        yield ExportedFile(path=path, size=size, sha256=sha256)


def _named(mirror: Path, *, jobs: int) -> Iterable[ExportedFile]:
    """Return the files that have names of their own."""
    paths = [name for name in COPIES if _status(mirror / name) is not None]
    for folder in OPEN_FOLDERS:
        paths += [f"{folder}/{path}" for path, _ in walk(mirror / folder)]
    for path in paths:
        if not is_public(path):
            raise IntegrityError(
                f"{mirror / path} has a name that a mirror's files cannot have",
                hint="names have letters, digits and . _ + -, and begin and end with none of the signs but _",
            )
    modes = {path: status.st_mode for path in paths if (status := _status(mirror / path)) is not None}
    digests = hash_files([os.fspath(mirror / path) for path in paths], jobs=jobs)
    for path, sha256 in zip(paths, digests, strict=True):
        size = (mirror / path).lstat().st_size
        yield ExportedFile(path=path, size=size, sha256=sha256, mode=493 if modes[path] & stat.S_IXUSR else 420)


def _status(path: Path) -> os.stat_result | None:
    """Return what a plain file is, None when there is none.

    Raises:
        IntegrityError: something else is there.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise IntegrityError(f"{path} is no plain file", hint="a mirror holds plain files only; remove it and sync")
    return status
