"""Figures in words: how far a step is, how fast, how long it still takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.filesize import decimal

if TYPE_CHECKING:
    from pipeline.events import StepProgress, Unit


def amount(count: float, unit: Unit) -> str:
    """Return ``12.3 MB`` for bytes, ``120 objects`` for anything else."""
    return decimal(int(count)) if unit == "bytes" else f"{int(count)} {unit}"


def duration(seconds: float) -> str:
    """Return ``0.4 s``, ``42 s``, ``3 min 05 s`` or ``1 h 02 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def progress(event: StepProgress) -> str:
    """Return ``12.3 MB of 37.4 MB (33 %)``, without the total where nobody knows it."""
    if event.total is None:
        return amount(event.done, event.unit)
    done = decimal(event.done) if event.unit == "bytes" else str(event.done)
    percent = 100 * event.done // event.total if event.total else 100
    return f"{done} of {amount(event.total, event.unit)} ({percent} %)"


class Pace:
    """How fast a step goes: an average over the last reports, so that a stall shows and one burst does not."""

    WINDOW_SECONDS = 15.0

    def __init__(self) -> None:
        self._reports: list[tuple[float, int]] = []

    def add(self, seconds: float, done: int) -> None:
        """Take one report; ``seconds`` never go back."""
        if self._reports and done < self._reports[-1][1]:  # the step began anew, for example from the next mirror
            self._reports.clear()
        self._reports.append((seconds, done))
        while len(self._reports) > 2 and seconds - self._reports[1][0] > self.WINDOW_SECONDS:
            self._reports.pop(0)

    def per_second(self) -> float | None:
        """Return units a second, None before there is anything to tell it from."""
        if len(self._reports) < 2:
            return None
        (first, before), (last, after) = self._reports[0], self._reports[-1]
        return (after - before) / (last - first) if last > first else None

    def seconds_left(self, total: int | None) -> float | None:
        """Return how long the rest takes at this pace, None when that cannot be told."""
        rate = self.per_second()
        if total is None or not rate:
            return None
        return max(0.0, (total - self._reports[-1][1]) / rate)


def pace(found: Pace, event: StepProgress) -> str:
    """Return ``3.1 MB/s, 8 s left`` as far as that can be told."""
    parts = []
    rate = found.per_second()
    if rate and event.unit == "bytes":
        parts.append(f"{decimal(int(rate))}/s")
    left = found.seconds_left(event.total)
    if left:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)
