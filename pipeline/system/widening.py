"""Whether more connections bring a file faster. Pure: times and byte counts are handed in.

One stream is watched until its speed no longer grows (a connection begins slowly). If it is slow for what it still has
to bring, a second connection is tried; only when both together are clearly faster than one was, more are opened. On a
line that one stream fills, eight of them only get in each other's way (measured, docs/performance.md).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pipeline.system.transfer_policy import RangePolicy

Stage = Literal["one", "trial", "many", "enough"]
"""``trial``: a second connection is, or should be, at work; ``enough``: it brought no gain."""


class Widening:
    """Judges a transfer from samples of its bytes.

    Attributes:
        stage: how far it is.
    """

    def __init__(self, policy: RangePolicy) -> None:
        """Begin with one connection."""
        self.stage: Stage = "one"
        self._policy = policy
        self._samples: deque[tuple[float, int]] = deque()
        self._began_at: float | None = None
        self._trial_at: float | None = None
        self._alone = 0.0

    def sample(self, now: float, done_bytes: int, left_bytes: int, *, proven: bool) -> Stage:
        """Take note of how much is there; return the stage.

        Args:
            now: monotonic seconds.
            done_bytes: that are there; bytes of earlier runs are no matter.
            left_bytes: that lack.
            proven: whether the second connection was given the part that it asked for.
        """
        if self._began_at is None:
            self._began_at = now
        self._samples.append((now, done_bytes))
        while len(self._samples) > 2 and self._samples[1][0] <= now - 2 * self._policy.window_seconds:
            self._samples.popleft()
        if self.stage == "one":
            self._judge_alone(now, left_bytes)
        elif self.stage == "trial" and proven:
            self._judge_trial(now)
        return self.stage

    def _judge_alone(self, now: float, left_bytes: int) -> None:
        policy = self._policy
        elapsed = now - (self._began_at or 0.0)
        before, speed = self._speeds(now)
        grows = elapsed < policy.ramp_seconds and (before == 0 or speed > policy.still_grows * before)
        if elapsed < policy.after_seconds or grows:
            return
        if speed < policy.one_stream_bytes_per_second and left_bytes > speed * policy.when_left_seconds:
            self.stage = "trial"
            self._alone = _speed(self._samples[0], self._samples[-1])

    def _judge_trial(self, now: float) -> None:
        if self._trial_at is None:
            self._trial_at = now
        _, speed = self._speeds(now)
        if speed >= self._policy.clear_gain * self._alone:
            self.stage = "many"
        elif now - self._trial_at > self._policy.trial_seconds:
            lately = _speed(self._samples[0], self._samples[-1])
            self.stage = "many" if lately >= self._policy.gain * self._alone else "enough"

    def _speeds(self, now: float) -> tuple[float, float]:
        """Return bytes a second in the window before the last one (0 before there was one), and in the last one."""
        window = self._policy.window_seconds
        first, last = self._samples[0], self._samples[-1]
        turn = next((sample for sample in reversed(self._samples) if sample[0] <= now - window), first)
        whole = first[0] <= now - 2 * window
        return _speed(first, turn) if whole else 0.0, _speed(turn, last)


def _speed(start: tuple[float, int], end: tuple[float, int]) -> float:
    seconds = end[0] - start[0]
    return (end[1] - start[1]) / seconds if seconds > 0 else 0.0
