"""The Disk port: steps that survive a crash, from atomic replacement to one syncfs for many files.

POSIX makes a rename atomic but not durable; durable is the file's fsync before it and the folder's fsync after it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import HostError
from pipeline.system.claims import claimed
from pipeline.system.disk import disk_errors, remove_tree, sync_folder, sync_path, sync_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from io import FileIO
    from pathlib import Path

_NO_HARD_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP})
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST})


class FileDisk:
    """Real folders; implements ``ports.Disk``, where each call is described."""

    def make_dirs(self, path: Path, *, durable: bool = True) -> None:
        """Make a folder and those above it."""
        try:
            with _mapped(path):
                new = [folder for folder in (path, *path.parents) if durable and not folder.exists()]
                path.mkdir(parents=True, exist_ok=True)
                for folder in reversed(new):
                    sync_folder(folder.parent)
        except FileExistsError as error:
            raise HostError(f"{path} is there and is no folder", hint="choose another folder") from error

    def write_file(self, path: Path, data: bytes) -> None:
        """Write a new file."""
        with _mapped(path), path.open("xb") as stream:
            stream.write(data)

    def replace_file(self, path: Path, data: bytes, *, staging_dir: Path) -> None:
        """Write, sync and rename over ``path``."""
        temporary = staging_dir / f"replace-{secrets.token_hex(8)}"
        with _mapped(path):
            try:
                temporary.write_bytes(data)
                sync_path(temporary)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)

    def copy_file(
        self, source: Path, destination: Path, *, offset_bytes: int = 0, size_bytes: int | None = None
    ) -> tuple[str, int]:
        """Copy a file, or a part of it, to a new file; return sha256 and size of what was written."""
        digest, size = hashlib.sha256(), 0
        with _mapped(destination), source.open("rb") as reader, destination.open("xb") as writer:
            reader.seek(offset_bytes)
            while chunk := reader.read(CHUNK_BYTES if size_bytes is None else min(CHUNK_BYTES, size_bytes - size)):
                digest.update(chunk)
                size += len(chunk)
                writer.write(chunk)
        return digest.hexdigest(), size

    def write_chunks(self, path: Path, chunks: Iterable[bytes], *, executable: bool = False) -> tuple[str, int]:
        """Write a new file of chunks; return sha256 and size of what was written."""
        digest, size = hashlib.sha256(), 0
        with _mapped(path):
            writer = path.open("xb", buffering=0)
            if executable:
                path.chmod(0o755)
        with writer:
            for chunk in chunks:  # what reading them raises is not about this file
                digest.update(chunk)
                size += len(chunk)
                with _mapped(path):
                    _write_all(writer, chunk)
        return digest.hexdigest(), size

    def link_file(self, source: Path, destination: Path) -> None:
        """Make a hard link, or a copy where links are impossible."""
        with _mapped(destination):
            _link(source, destination)

    def link_tree(self, links: Mapping[str, str], destination: Path, *, folders: Iterable[str]) -> None:
        """Make hard links, or copies where links are impossible."""
        self.make_dirs(destination, durable=False)
        root = os.fspath(destination)
        with _mapped(destination):  # plain text below: paths of pathlib would take half of the time
            for folder in folders:
                with suppress(FileExistsError):  # what is no folder fails at the first link
                    os.mkdir(f"{root}/{folder}")  # noqa: PTH102 - as above
            for path, source in links.items():
                _link(source, f"{root}/{path}")

    def link_symbolic(self, target: str, path: Path) -> None:
        """Make a symbolic link at ``path``."""
        with _mapped(path):
            path.symlink_to(target)

    def sync(self, folder: Path) -> None:
        """Bring everything below ``folder`` to the disk."""
        with _mapped(folder):
            sync_tree(folder)

    def sync_names(self, folder: Path) -> None:
        """Bring the names in one folder to the disk."""
        with _mapped(folder):
            sync_folder(folder)

    def move(self, source: Path, destination: Path, *, durable: bool = True) -> None:
        """Rename to a free name, and sync both parents where that is wanted."""
        taken = FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination))
        if os.path.lexists(destination):  # rename(2) itself would replace a file or an empty folder
            raise taken
        with _mapped(destination):
            try:
                source.rename(destination)
            except OSError as error:
                if error.errno in _TAKEN:
                    raise taken from error
                raise
            if not durable:
                return
            sync_folder(destination.parent)
            if source.parent != destination.parent:
                sync_folder(source.parent)

    def move_over(self, source: Path, destination: Path, *, durable: bool = True) -> None:
        """Rename over a name that may be taken by a file, and sync both parents."""
        with _mapped(destination):
            source.replace(destination)
            if not durable:
                return
            sync_folder(destination.parent)
            if source.parent != destination.parent:
                sync_folder(source.parent)

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder."""
        with _mapped(path):
            remove_tree(path)

    @contextmanager
    def lock(self, path: Path, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold a lock that the kernel drops with its owner."""
        self.make_dirs(path.parent, durable=False)  # it holds nothing that a crash could take
        with ExitStack() as held:
            with _mapped(path):
                held.enter_context(claimed(path, sleep=time.sleep, waiting=waiting, forget=False))
            yield

    def lock_holder(self, path: Path) -> str:
        """Return who holds a lock, in words."""
        from pipeline.system.lock_holders import lock_holder  # noqa: PLC0415 - only for those who wait

        return lock_holder(path)


def _link(source: Path | str, destination: Path | str) -> None:
    # Of a symbolic link another name, not one of what it leads to: a tenth of the time of making a new one (ext4).
    follow = os.link not in os.supports_follow_symlinks
    try:
        os.link(source, destination, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        import shutil  # noqa: PLC0415 - 8 ms that a switch does not have

        shutil.copy2(source, destination, follow_symlinks=False)


def _write_all(writer: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[writer.write(view) :]  # unbuffered: a write may take less


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """Turn every refusal of the file system into the project's errors; a taken name is the caller's business."""
    try:
        with disk_errors(path):
            yield
    except FileExistsError:
        raise
    except OSError as error:
        raise HostError(
            f"cannot write {path}: {error.strerror or error}", hint="choose a folder that you may write to"
        ) from error
