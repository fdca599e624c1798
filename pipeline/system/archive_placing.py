"""Putting files in their place: whole or not at all, and never through a link that an archive brought."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import TYPE_CHECKING

from pipeline.model.tree import TreeEntry
from pipeline.system.archive_members import refuse
from pipeline.system.disk import FOLDER_MODE, disk_errors, remove_tree, start_writeback, sync_folder, sync_path
from pipeline.system.trees import LINK_MODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_WRITEBACK_BYTES = 4 << 20
_SMALL_BYTES = 64 << 10  # the rest of a file that is left to the sync, with those of all others
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


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
    with disk_errors(destination.parent), _made_folders(destination.parent):
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


@contextmanager
def _made_folders(folder: Path) -> Iterator[None]:
    """Have a folder and those above it; on a failure new ones go again, unless something is in them."""
    new = list(takewhile(lambda place: not place.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for place in new:
                place.rmdir()
        raise


class FolderWriter:
    """Writes files, folders and links into a fresh folder. Links come last, when ``finish`` is called.

    Until then every path leads through folders that were made here, so nothing is written through a link; a file that
    is there already is an error.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._folders = {""}
        self._links: list[tuple[str, str]] = []
        self._entries: list[TreeEntry] = []

    def add_folder(self, path: str) -> None:
        """Make a folder, with mode 0755 whatever the umask."""
        if path in self._folders:
            return
        self.add_folder(path.rpartition("/")[0])
        place = self._place(path)
        try:
            os.mkdir(place)  # noqa: PTH102 - see _place
        except FileExistsError as error:
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                raise refuse(f"holds the folder {path!r}, which is the same as a file here") from error
        os.chmod(place, FOLDER_MODE)  # noqa: PTH101 - as above
        self._folders.add(path)

    def add_file(self, path: str, content: Iterable[bytes], *, executable: bool) -> None:
        """Write a file with mode 0755 or 0644.

        Raises:
            IntegrityError: the file system takes its name for that of a file that was written before.
        """
        self.add_folder(path.rpartition("/")[0])
        place = self._place(path)
        mode = 0o755 if executable else 0o644
        try:
            descriptor = os.open(place, _NEW_FILE, 0o600)
        except FileExistsError as error:  # a file system that takes two names for one
            raise refuse(f"holds {path!r}, which is the same file as another one here") from error
        try:
            size, sha256 = _write(descriptor, content)
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        if not hasattr(os, "fchmod"):  # Windows, before Python 3.13
            os.chmod(place, mode)  # noqa: PTH101 - see _place
        self._entries.append(TreeEntry(path=path, mode=mode, size_bytes=size, sha256=sha256))

    def add_link(self, path: str, target: str) -> None:
        """Note a symbolic link."""
        self._links.append((path, target))

    def finish(self) -> list[TreeEntry]:
        """Make the links; return every file and link, in no order, with the digests of what was written."""
        for path, _ in self._links:
            self.add_folder(path.rpartition("/")[0])
        for path, target in self._links:
            os.symlink(target, self._place(path))  # noqa: PTH211 - as above
            self._entries.append(TreeEntry(path=path, mode=LINK_MODE, size_bytes=0, sha256=None, link=target))
        return self._entries

    def _place(self, path: str) -> str:
        """Return where a path is; plain text, since a path of pathlib costs more than a small file."""
        return f"{self._root}/{path}"


def _write(descriptor: int, content: Iterable[bytes]) -> tuple[int, str]:
    """Write pieces; return their size in all and sha256."""
    digest, size, started = hashlib.sha256(), 0, 0
    for piece in content:
        digest.update(piece)
        size += len(piece)
        written = os.write(descriptor, piece)
        while written < len(piece):  # a write may take less
            written += os.write(descriptor, memoryview(piece)[written:])
        if size - started >= _WRITEBACK_BYTES:
            start_writeback(descriptor, started, size - started)
            started = size
    if size - started >= _SMALL_BYTES:
        start_writeback(descriptor, started, size - started)
    return size, digest.hexdigest()
