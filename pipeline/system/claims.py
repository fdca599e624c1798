"""One owner at a time for a name: a lock that the kernel drops when its owner dies, however it dies.

Nothing's correctness hangs on these locks: they keep two processes from doing one piece of work twice, and tell what a
dead process left behind.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    _HAS_FLOCK = False
else:
    _HAS_FLOCK = True

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from filelock import BaseFileLock

_HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK}
_POLL_SECONDS = 0.1


class _Flock:
    """A lock file held by flock(2); filelock uses the same call, so that either keeps the other out."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back, also where a child of fork(2) has the file open still: closing alone would not."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


class Claim:
    """A name that this process holds until ``release``, or until it dies."""

    def __init__(self, lock: BaseFileLock | _Flock, path: Path) -> None:
        self._lock = lock
        self._path = path

    def release(self, *, forget: bool = True) -> None:
        """Give the name back; with ``forget`` the lock file goes too (filelock notices a file that was replaced)."""
        if forget:
            with suppress(OSError):
                self._path.unlink()
        self._lock.release()


def try_claim(path: Path) -> Claim | None:
    """Claim the lock file ``path`` if nobody holds it; its folder exists."""
    if not _HAS_FLOCK:
        return _portable_claim(path)
    try:
        return _flock_claim(path)
    except OSError as error:
        if error.errno not in {errno.ENOSYS, errno.ENOTSUP}:
            raise
    return _portable_claim(path)  # a file system without flock: filelock knows what to do


def _flock_claim(path: Path) -> Claim | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have removed it meanwhile; then this is a lock on nothing.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return Claim(_Flock(descriptor), path)
    except FileNotFoundError:
        pass
    except OSError as error:
        os.close(descriptor)
        if error.errno in _HELD:
            return None
        raise
    os.close(descriptor)
    return None


def _portable_claim(path: Path) -> Claim | None:
    from filelock import FileLock, Timeout  # noqa: PLC0415  # 60 ms, for asyncio; flock alone takes none

    # A lock object of its own for every claim: two threads of one process exclude each other too.
    lock = FileLock(path, thread_local=False, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return Claim(lock, path)


@contextmanager
def claimed(
    path: Path, *, sleep: Callable[[float], None], waiting: Callable[[], None] | None = None, forget: bool = True
) -> Iterator[None]:
    """Hold ``path``, after waiting for whoever has it; ``waiting`` is called once if there is somebody."""
    claim = try_claim(path)
    if claim is None and waiting is not None:
        waiting()
    while claim is None:
        sleep(_POLL_SECONDS)
        claim = try_claim(path)
    try:
        yield
    finally:
        claim.release(forget=forget)
