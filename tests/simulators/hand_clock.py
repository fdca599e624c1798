"""A clock that a test moves by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class HandClock:
    """Implements ``ports.Clock``.

    Attributes:
        seconds: since 1970, and monotonic.
    """

    seconds: float = 1_780_000_000.0

    def monotonic(self) -> float:
        return self.seconds

    def now_seconds(self) -> int:
        return int(self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
