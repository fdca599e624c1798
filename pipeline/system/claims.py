"""One owner at a time for a name: a lock that the kernel drops when its owner dies, however it dies.

Nothing's correctness hangs on these locks: they keep two processes from doing one piece of work twice, and tell what a
dead process left behind.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from filelock import BaseFileLock

_POLL_SECONDS = 0.1


class Claim:
    """A name that this process holds until ``release``, or until it dies."""

    def __init__(self, lock: BaseFileLock, path: Path) -> None:
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
    from filelock import FileLock, Timeout  # noqa: PLC0415  # 70 ms that most commands do not need

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
