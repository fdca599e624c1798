"""Time."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clocks; implements ``ports.Clock``."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def now_seconds(self) -> int:
        """Return seconds since 1970."""
        return int(time.time())

    def sleep(self, seconds: float) -> None:
        """Wait; nothing happens for a time that is not positive."""
        if seconds > 0:
            time.sleep(seconds)
