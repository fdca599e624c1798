"""How much was looked at: files and bytes by state and by folder, and how far reading is."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, get_args

from pipeline.model.verification import FileState, FileTotal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Between two reports of progress: a few hundred in all, and yet some a minute from a slow disk.
_SHORTEST_BYTES, _LONGEST_BYTES, _REPORTS = 8 << 20, 64 << 20, 200


class Tally:
    """Files and their bytes, by state and by the folder at the top that they lie in."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._files: Counter[tuple[str, FileState]] = Counter()
        self._bytes: Counter[tuple[str, FileState]] = Counter()

    def add(self, path: str, state: FileState, size_bytes: int) -> None:
        """Count one file."""
        top, slash, _ = path.partition("/")
        key = (top if slash else ".", state)
        self._files[key] += 1
        self._bytes[key] += size_bytes

    def by_state(self) -> dict[FileState, FileTotal]:
        """Return the totals of all four states."""
        return {state: self._total(key for key in self._files if key[1] == state) for state in get_args(FileState)}

    def by_folder(self) -> dict[str, FileTotal]:
        """Return the totals of each folder, whatever their state."""
        tops = sorted({top for top, _ in self._files})
        return {top: self._total(key for key in self._files if key[0] == top) for top in tops}

    def _total(self, keys: Iterable[tuple[str, FileState]]) -> FileTotal:
        chosen = tuple(keys)
        return FileTotal(
            files=sum(self._files[key] for key in chosen), size_bytes=sum(self._bytes[key] for key in chosen)
        )


class Meter:
    """Counts bytes that several threads read, and reports now and then."""

    def __init__(self, total: int, report: Callable[[int, int], None] | None) -> None:
        """Begin at 0 of ``total``; ``report`` is called with (bytes read, total), never twice at a time."""
        self.done = 0
        self._total = total
        self._report = report
        self._said = 0
        self._every = min(max(total // _REPORTS, _SHORTEST_BYTES), _LONGEST_BYTES)
        self._lock = threading.Lock()

    def add(self, size_bytes: int) -> None:
        """Count bytes that were read."""
        with self._lock:
            self.done += size_bytes
            if self._report and (self.done - self._said >= self._every or self.done == self._total):
                self._said = self.done
                self._report(self.done, self._total)
