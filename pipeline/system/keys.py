"""Files with private keys: made readable by their owner alone, and refused when others can read them."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from typing import TYPE_CHECKING

from pipeline.errors import HostError, NoSpaceError, TrustError, UsageError
from pipeline.ports.space import FULL
from pipeline.system.claims import claimed
from pipeline.system.disk import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.errors import PipelineError

_LIMIT_BYTES = 64 << 10  # an encrypted PKCS#8 key has a few hundred bytes, an RSA-4096 key under 4 KiB


_LOCK_FILE = ".keys.lock"


def _not_written(path: Path, error: OSError) -> PipelineError:
    reason = f"cannot write {path}: {os.strerror(error.errno or 0)}"
    if error.errno in FULL:
        return NoSpaceError(reason, hint="free space there and run it again; nothing half-written was left")
    return HostError(reason, hint="choose a folder that you may write to")


class PrivateKeyFiles:
    """The KeyFiles port on real folders."""

    def make_folder(self, folder: Path) -> None:
        """See ``ports.KeyFiles``."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError as error:
            raise HostError(
                f"cannot make the key folder {folder}: {os.strerror(error.errno or 0)}",
                hint="choose a folder that you may write to",
            ) from error

    def create(self, path: Path, data: bytes) -> None:
        """See ``ports.KeyFiles``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError as error:
            raise UsageError(
                f"{path} is there already", hint="a key is never overwritten; choose another folder"
            ) from error
        except OSError as error:
            raise _not_written(path, error) from error
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except BaseException as error:
            path.unlink(missing_ok=True)  # half a key is none
            if isinstance(error, OSError):
                raise _not_written(path, error) from error
            raise

    def replace(self, path: Path, data: bytes) -> None:
        """See ``ports.KeyFiles``."""
        temporary = path.with_name(f".{path.name}.new")
        try:
            with claimed(path.with_name(_LOCK_FILE), sleep=time.sleep):
                for left in path.parent.glob(".*.new"):  # by a process that died: one that lives holds the lock
                    left.unlink(missing_ok=True)
                self.create(temporary, data)
                try:
                    temporary.replace(path)
                except OSError:
                    temporary.unlink(missing_ok=True)
                    raise
                sync_folder(path.parent)
        except OSError as error:
            raise _not_written(path, error) from error

    def read(self, path: Path) -> bytes:
        """See ``ports.KeyFiles``. The check is made on the opened file, so that it cannot be swapped in between."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError as error:
            raise UsageError(f"there is no key {path}", hint="`keys init` makes keys") from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise TrustError(f"{path} is a symbolic link; a key is a plain file") from error
            raise HostError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TrustError(f"{path} is no plain file")
            if sys.platform != "win32" and status.st_mode & 0o077:
                raise TrustError(
                    f"others can read the private key {path} (mode {stat.S_IMODE(status.st_mode):04o})",
                    hint=f"chmod 600 {path} - and consider the key known to others until it is replaced",
                )
            return stream.read(_LIMIT_BYTES)
