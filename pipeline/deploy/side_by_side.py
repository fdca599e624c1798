"""Pieces of work that run next to each other, and end together."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Made = TypeVar("Made")


class _Abandoned(Exception):  # noqa: N818 - no error: what another piece of work met is
    """Another piece of work failed, or the user interrupted."""


def in_parallel(
    work: Callable[[Item, Callable[[], None]], Made],
    items: Sequence[Item],
    *,
    jobs: int,
    stopping: Callable[[], None] = lambda: None,
) -> list[Made]:
    """Return ``work(item, go_on)`` for each item, in their order, with up to ``jobs`` threads.

    Threads pay where the time goes into compression, digests and the disk, which let go of the interpreter. When one
    fails or the user interrupts, the others end at their next call of ``go_on``, and the first failure is raised.

    Args:
        work: to be called in a thread of its own; with one job or item, in this one.
        items: what to work on.
        jobs: how many at a time, at least 1.
        stopping: called once when the user has interrupted and some are still at work.
    """
    if jobs == 1 or len(items) < 2:
        return [work(item, lambda: None) for item in items]
    crew = _Crew(work, items)
    # Threads of our own: concurrent.futures takes 15 ms to import, a third of what a whole switch may take.
    ends = [threading.Event() for _ in range(min(jobs, len(items)))]
    threads = [threading.Thread(target=crew.run, args=(end,), name=f"side-by-side-{n}") for n, end in enumerate(ends)]
    try:
        for thread in threads:
            thread.start()
        for end in ends:
            end.wait()
    finally:
        crew.abandoned.set()
        if any(not end.is_set() and thread.ident is not None for thread, end in zip(threads, ends, strict=True)):
            stopping()
        for thread, end in zip(threads, ends, strict=True):
            # Not join: before Python 3.13 one that Ctrl-C interrupts takes its thread for ended (bpo-45274).
            while not end.wait(1) and thread.ident is not None:
                pass
    if crew.failures:
        raise crew.failures[0]
    return [crew.made[position] for position in range(len(items))]


class _Crew(Generic[Item, Made]):
    """What the threads share."""

    def __init__(self, work: Callable[[Item, Callable[[], None]], Made], items: Sequence[Item]) -> None:
        self._work = work
        self._waiting = iter(enumerate(items))
        self._turn = threading.Lock()
        self.made: dict[int, Made] = {}
        self.failures: list[BaseException] = []
        self.abandoned = threading.Event()

    def run(self, end: threading.Event) -> None:
        """Work until nothing is left, or until one of the crew fails; then say so with ``end``."""
        try:
            self._work_off()
        finally:
            end.set()

    def _work_off(self) -> None:
        while not self.abandoned.is_set():
            with self._turn:
                following = next(self._waiting, None)
            if following is None:
                return
            position, item = following
            try:
                self.made[position] = self._work(item, self._go_on)
            except BaseException as error:  # noqa: BLE001 - it is raised again where the crew was called
                self.failures.append(error)
                self.abandoned.set()

    def _go_on(self) -> None:
        if self.abandoned.is_set():
            raise _Abandoned
