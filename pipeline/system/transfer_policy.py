"""How patient a transfer is: tries, waits, and how slow is too slow. Pure: times are handed in."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransferPolicy:
    """Limits of one transfer.

    Attributes:
        tries: of one url without progress before it is given up.
        progress_bytes: new bytes that make a try count as progress.
        backoff_seconds: before the second try; doubled for each further one.
        backoff_limit_seconds: no wait of our own is longer.
        retry_after_limit_seconds: a server that asks for more is given up.
        connect_timeout_seconds: for a connection.
        read_timeout_seconds: without a single byte.
        slow_bytes_per_second: slower than this over ``slow_window_seconds`` ends a try.
        slow_window_seconds: see there. A read timeout alone does not notice a drip.
        deadline_seconds: for the whole file with all its tries; None waits as long as there is progress.
        size_limit_bytes: of a file whose size is not known.
        redirects: that are followed.
    """

    tries: int = 5
    progress_bytes: int = 1 << 20
    backoff_seconds: float = 0.5
    backoff_limit_seconds: float = 30.0
    retry_after_limit_seconds: float = 60.0
    connect_timeout_seconds: float = 20.0
    read_timeout_seconds: float = 30.0
    slow_bytes_per_second: float = 1024.0
    slow_window_seconds: float = 30.0
    deadline_seconds: float | None = None
    size_limit_bytes: int = 16 << 30
    redirects: int = 5

    def backoff(self, failures: int, jitter: float) -> float:
        """Return the seconds to wait after that many failures (1 or more); ``jitter`` is 0 to 1."""
        full = min(self.backoff_seconds * 2.0 ** (failures - 1), self.backoff_limit_seconds)
        return full * (0.5 + jitter / 2)


DEFAULT_POLICY = TransferPolicy()


def retry_after_seconds(value: str | None, now_seconds: int) -> float | None:
    """Return what a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date), None when it says nothing."""
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"\d+", text, re.ASCII):
        return float(min(int(text[:12]), 10**9))
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now_seconds)
    except (ValueError, OverflowError):
        return None


class SpeedWatch:
    """Notices a transfer that is alive but too slow."""

    def __init__(self, policy: TransferPolicy, now: float) -> None:
        """Begin at ``now`` (monotonic seconds)."""
        self._policy = policy
        self._since = now
        self._bytes = 0

    def too_slow(self, count: int, now: float) -> bool:
        """Count bytes that came; tell whether the last whole window was too slow."""
        self._bytes += count
        elapsed = now - self._since
        if elapsed < self._policy.slow_window_seconds:
            return False
        slow = self._bytes < self._policy.slow_bytes_per_second * elapsed
        self._since, self._bytes = now, 0
        return slow
