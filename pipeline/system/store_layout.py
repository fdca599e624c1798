"""Where things stand in the store, and the few ways in which they get there.

Layout: ``blobs/<aa>/<sha256>``, ``trees/<sha256>/`` with ``listings/<sha256>.json`` beside,
``results/<aa>/<key>.json``, ``work/<name>/``, ``partials/`` (downloads), ``staging/``, ``logs/``, ``locks/``,
``quarantine/``. All on one file system: everything appears by a rename from ``staging/``, so a reader sees all of it or
nothing, whoever dies when.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.digest import sha256_stream
from pipeline.system.disk import disk_errors, remove_tree, sync_folder, sync_path
from pipeline.system.staging import Staging

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = ("blobs", "trees", "listings", "results", "work", "partials", "staging", "logs", "locks", "quarantine")
MAKE_AGAIN = "run the same command again: what was damaged is set aside and made anew"


class StoreLayout:
    """The folders of a store.

    Attributes:
        cache_dir: what they are in.
        staging: this process's part of ``staging/``.
        durable: whether files are brought to the disk before they appear.
    """

    def __init__(self, cache_dir: Path, *, durable: bool = True) -> None:
        """Make the folders, and remove what killed runs left half made.

        Without ``durable`` a crash of the machine may leave files that are not what their name says: for stores whose
        readers check every byte and drop what is wrong.

        Raises:
            HostError: the folder may not be written.
            NoSpaceError: the disk is full.
        """
        self.cache_dir = cache_dir
        self.durable = durable
        with disk_errors(cache_dir):
            for name in FOLDERS:
                (cache_dir / name).mkdir(parents=True, exist_ok=True)
            self.staging = Staging(cache_dir / "staging")
            self.staging.sweep()

    def blob_path(self, sha256: str) -> Path:
        """Return where a file is kept."""
        return self.cache_dir / "blobs" / sha256[:2] / sha256

    def folder_of_tree(self, sha256: str) -> Path:
        """Return where a tree is kept."""
        return self.cache_dir / "trees" / sha256

    def listing_path(self, sha256: str) -> Path:
        """Return where the entries of a tree are kept."""
        return self.cache_dir / "listings" / f"{sha256}.json"

    def result_path(self, key: str) -> Path:
        """Return where a step's result is kept."""
        return self.cache_dir / "results" / key[:2] / f"{key}.json"

    def write(self, path: Path, data: bytes) -> None:
        """Write or replace a small file, durably and at once."""
        with self.staging.place() as staged:
            staged.write_bytes(data)
            sync_path(staged)
            path.parent.mkdir(exist_ok=True)
            staged.replace(path)
            sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """Remove a folder: gone from its place at once, however long the removal takes."""
        with disk_errors(path), self.staging.place() as staged, suppress(FileNotFoundError):
            path.rename(staged)

    def set_aside(self, path: Path) -> None:
        """Move what was found damaged to ``quarantine/``, for people to look at."""
        with suppress(FileNotFoundError), disk_errors(self.cache_dir):
            path.rename(self.cache_dir / "quarantine" / f"{path.name}-{secrets.token_hex(4)}")


def move(source: Path, destination: Path) -> None:
    """Rename a file or a folder; from another file system it is copied and then removed."""
    try:
        source.rename(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, destination)
        remove_tree(source)


def _copy(source: Path, destination: Path) -> None:
    """Copy a file with its mode, a link, or a folder; the first failure ends it (copytree would go on)."""
    if source.is_symlink():
        destination.symlink_to(os.readlink(source))  # noqa: PTH115  # pathlib would tidy the target up
    elif source.is_dir():
        destination.mkdir()
        for item in source.iterdir():
            _copy(item, destination / item.name)
    else:
        shutil.copyfile(source, destination)
        shutil.copymode(source, destination)


def rename_unless_there(source: Path, destination: Path) -> None:
    """Rename a folder; one that somebody else put there first stays."""
    try:
        source.rename(destination)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} and not destination.is_dir():
            raise


def file_digest(path: Path) -> tuple[str, int]:
    """Return (sha256, size in bytes) of a file, which must not be a link."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as stream:
        return sha256_stream(stream)
