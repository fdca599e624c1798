"""Putting files in their place: whole or not at all, and never through a link that an archive brought."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.model.tree import TreeEntry
from pipeline.system.archive_members import refuse
from pipeline.system.disk import FOLDER_MODE, disk_errors, remove_tree, start_writeback, sync_folder, sync_path
from pipeline.system.trees import LINK_MODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_WRITEBACK_BYTES = 4 << 20


@contextmanager
def whole_file(destination: Path) -> Iterator[Path]:
    """Give a path to write to that becomes ``destination`` at the end, and is removed on any failure.

    Raises:
        NoSpaceError, HostError: as ``disk_errors``.
    """
    temporary = destination.with_name(f".{destination.name}.{secrets.token_hex(8)}.part")
    with disk_errors(destination.parent):
        try:
            yield temporary
            temporary.chmod(0o644)
            sync_path(temporary)
            temporary.replace(destination)
            sync_folder(destination.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(destination: Path) -> Iterator[Path]:
    """Give a new folder that takes the place of ``destination`` (empty or absent) at the end, or goes on any failure.

    What a killed run left for the same destination is removed first: a destination has one owner.

    Raises:
        NoSpaceError, HostError: as ``disk_errors``.
    """
    prefix = f".{destination.name}.unpacking-"
    temporary = destination.with_name(prefix + secrets.token_hex(8))
    with disk_errors(destination.parent):
        destination.parent.mkdir(parents=True, exist_ok=True)
        for sibling in destination.parent.iterdir():
            if sibling.name.startswith(prefix):
                remove_tree(sibling)
        try:
            temporary.mkdir()
            temporary.chmod(FOLDER_MODE)
            yield temporary
            if destination.is_dir():
                destination.rmdir()  # refuses a folder that is no longer empty
            temporary.rename(destination)
        finally:
            remove_tree(temporary)


class FolderWriter:
    """Writes files, folders and links into a fresh folder. Links come last, when ``finish`` is called.

    Until then every path leads through folders that were made here, so nothing is written through a link; a file that
    is there already is an error.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = {root}
        self._links: list[tuple[str, str]] = []
        self._entries: list[TreeEntry] = []

    def add_folder(self, path: str) -> None:
        """Make a folder, with mode 0755 whatever the umask."""
        self._make(self._root / path)

    def add_file(self, path: str, content: Iterable[bytes], *, executable: bool) -> None:
        """Write a file with mode 0755 or 0644.

        Raises:
            IntegrityError: the file system takes its name for that of a file that was written before.
        """
        place = self._root / path
        self._make(place.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(place, flags, 0o600)
        except FileExistsError as error:  # a file system that takes two names for one
            raise refuse(f"holds {path!r}, which is the same file as another one here") from error
        digest, size, started = hashlib.sha256(), 0, 0
        mode = 0o755 if executable else 0o644
        with os.fdopen(descriptor, "wb", buffering=0) as sink:
            for piece in content:
                digest.update(piece)
                size += len(piece)
                view = memoryview(piece)
                while view:
                    view = view[sink.write(view) :]  # unbuffered: a write may take less
                if size - started >= _WRITEBACK_BYTES:
                    start_writeback(descriptor, started, size - started)
                    started = size
            start_writeback(descriptor, started, size - started)
        place.chmod(mode)
        self._entries.append(TreeEntry(path=path, mode=mode, size_bytes=size, sha256=digest.hexdigest()))

    def add_link(self, path: str, target: str) -> None:
        """Note a symbolic link."""
        self._links.append((path, target))

    def finish(self) -> list[TreeEntry]:
        """Make the links; return every file and link, in no order, with the digests of what was written."""
        for path, _ in self._links:
            self._make((self._root / path).parent)
        for path, target in self._links:
            (self._root / path).symlink_to(target)
            self._entries.append(TreeEntry(path=path, mode=LINK_MODE, size_bytes=0, sha256=None, link=target))
        return self._entries

    def _make(self, folder: Path) -> None:
        if folder in self._folders:
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(FOLDER_MODE)
        self._folders.add(folder)
