"""How patient a transfer is: tries, waits, and how slow is too slow. Pure: times are handed in."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.ports import DownloadRequest


@dataclass(frozen=True, slots=True)
class RangePolicy:
    """When a file is brought over several connections, and how many.

    One stream that is fast is left alone: more connections only help where latency, loss or the server's own limits
    keep one of them slow.

    Attributes:
        connections: to one server at once, for all files together; 1 never uses ranges.
        from_bytes: smaller files come in one stream.
        after_seconds: of one stream before it is judged.
        ramp_seconds: for so long a stream that gets faster is left to it.
        window_seconds: over which a speed is taken; one stream gets faster when a window's speed is more than
            ``still_grows`` times that of the window before.
        still_grows: see there.
        trial_seconds: within which a second connection has to show that it is worth it.
        clear_gain: both being so many times faster than one stream shows it at once.
        gain: that many times, lately, is enough at the end of the trial.
        when_left_seconds: only when one stream would need longer than that for the rest.
        one_stream_bytes_per_second: from this speed on, one stream is enough (about a gigabit line).
        smallest_bytes: of a piece.
        largest_bytes: of a piece.
        stalled_seconds: a piece that did not move for that long is given to a connection that has nothing to do.
    """

    connections: int = 8
    from_bytes: int = 8 << 20
    after_seconds: float = 0.2
    ramp_seconds: float = 0.8
    window_seconds: float = 0.2
    still_grows: float = 1.25
    trial_seconds: float = 0.6
    clear_gain: float = 1.3
    gain: float = 1.15
    when_left_seconds: float = 1.0
    one_stream_bytes_per_second: float = 150e6
    smallest_bytes: int = 2 << 20
    largest_bytes: int = 32 << 20
    stalled_seconds: float = 3.0


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
        deadline_seconds: for the whole file with all its tries and waits; None derives it from the size.
        deadline_grace_seconds: that a file of any size has; the rest is its size at the floor rate.
        floor_bytes_per_second: slower than this on the whole is no download (256 kbit/s: 400 MB in three and a half
            hours).
        unknown_size_bytes: what a file of unknown size counts for a deadline.
        size_limit_bytes: of a file whose size is not known, where its request says no other.
        redirects: that are followed.
        http2_below_bytes: files up to that size come over HTTP/2 where it is offered, larger ones over HTTP/1.1.
        ranges: several connections for one file.
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
    deadline_grace_seconds: float = 600.0
    floor_bytes_per_second: float = 32768.0
    unknown_size_bytes: int = 1 << 30
    size_limit_bytes: int = 16 << 30
    redirects: int = 5
    http2_below_bytes: int = 1 << 18
    ranges: RangePolicy = RangePolicy()

    def deadline_for(self, size_bytes: int | None) -> float:
        """Return the seconds within which a file of that size has to come."""
        if self.deadline_seconds is not None:
            return self.deadline_seconds
        size = self.unknown_size_bytes if size_bytes is None else size_bytes
        return self.deadline_grace_seconds + size / self.floor_bytes_per_second

    def limit_for(self, request: DownloadRequest) -> int:
        """Return how many bytes may come of a file: its size, or a limit where that is not known."""
        if request.size_bytes is not None:
            return request.size_bytes
        return self.size_limit_bytes if request.limit_bytes is None else request.limit_bytes

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
