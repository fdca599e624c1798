"""Pieces of work that run next to each other, and end together."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Made = TypeVar("Made")


class _Abandoned(Exception):  # noqa: N818 - no error: what another piece of work met is
    """Another piece of work failed, or the user interrupted."""


def in_parallel(work: Callable[[Item, Callable[[], None]], Made], items: Sequence[Item], *, jobs: int) -> list[Made]:
    """Return ``work(item, go_on)`` for each item, in their order, with up to ``jobs`` threads.

    Threads pay where the time goes into compression, digests and the disk, which let go of the interpreter. When one
    fails or the user interrupts, the others end at their next call of ``go_on``, and the first failure is raised.

    Args:
        work: to be called in a thread of its own; with one job or item, in this one.
        items: what to work on.
        jobs: how many at a time, at least 1.
    """
    if jobs == 1 or len(items) < 2:
        return [work(item, lambda: None) for item in items]
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait  # noqa: PLC0415 - most have nothing to do

    abandoned = threading.Event()

    def go_on() -> None:
        if abandoned.is_set():
            raise _Abandoned

    with ThreadPoolExecutor(max_workers=min(jobs, len(items)), thread_name_prefix="bring") as pool:
        running = [pool.submit(work, item, go_on) for item in items]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
            failures = [error for one in running if one.done() and (error := one.exception()) is not None]
            if failures:
                raise failures[0]
            return [one.result() for one in running]
        finally:
            abandoned.set()
            pool.shutdown(wait=False, cancel_futures=True)
