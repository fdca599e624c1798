"""Many files at once: a bounded number of them, one account of the bytes, and an end for all when one fails."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.model.result import BlobRef
    from pipeline.ports import DownloadRequest

    Progress = Callable[[int, int | None], None]

_TICK_SECONDS = 0.1


class FetchOne(Protocol):
    """Brings one file, until it is there or ``stop`` is set."""

    def __call__(self, request: DownloadRequest, *, progress: Progress, stop: threading.Event) -> BlobRef:
        """Return the file."""
        ...


class JointProgress:
    """Adds up the bytes of many files; each file reports from a thread of its own."""

    def __init__(self, requests: Sequence[DownloadRequest]) -> None:
        """Begin with nothing of each."""
        self._sizes = [request.size_bytes for request in requests]
        self._done = [0] * len(requests)

    def of(self, number: int) -> Progress:
        """Return what file ``number`` reports to."""

        def note(done: int, total: int | None) -> None:
            self._done[number] = done
            if total is not None:
                self._sizes[number] = total

        return note

    def now(self) -> tuple[int, int | None]:
        """Return (bytes so far, bytes in all); None in all while one size is not known."""
        known = [size for size in self._sizes if size is not None]
        return sum(self._done), sum(known) if len(known) == len(self._sizes) else None


def fetch_all(
    fetch: FetchOne, requests: Sequence[DownloadRequest], *, jobs: int, progress: Progress
) -> tuple[BlobRef, ...]:
    """Return the files in the order of ``requests``, up to ``jobs`` of them at once.

    Raises:
        PipelineError: of the first file that failed. The others are stopped; what came of them is kept, and files that
            are whole stay in the store.
    """
    stop = threading.Event()
    joint = JointProgress(requests)
    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(requests))), thread_name_prefix="fetch") as pool:
        futures: list[Future[BlobRef]] = []
        try:
            for number, request in enumerate(requests):
                futures.append(pool.submit(fetch, request, progress=joint.of(number), stop=stop))
            _watch(futures, lambda: progress(*joint.now()))
        finally:
            stop.set()  # after success there is nobody left to hear it
            pool.shutdown(wait=False, cancel_futures=True)
    return tuple(future.result() for future in futures)


def _watch(futures: list[Future[BlobRef]], tell: Callable[[], None]) -> None:
    """Wait until all are done; raise what the first one that fails raises."""
    pending = set(futures)
    tell()
    while pending:
        done, pending = wait(pending, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            future.result()
        tell()
