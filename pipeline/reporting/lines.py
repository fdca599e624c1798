"""Plain lines for logs and CI: where a step starts, now and then how far it is, where it ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TextIO

from pipeline.events import Event, Notice, StepFailed, StepFinished, StepProgress, StepReused, StepStarted
from pipeline.model.clean_text import presentable
from pipeline.reporting import figures

if TYPE_CHECKING:
    from pipeline.ports import Clock

LONGEST_SILENCE_SECONDS = 10.0
SHORTEST_SILENCE_SECONDS = 1.0
REPORTED_SHARE = 0.1


class LinesSink:
    """Writes one line an event, and a step's progress every 10 s or 10 %, but never twice a second.

    Attributes:
        verbosity: ``quiet`` writes warnings alone; ``verbose`` writes debug notices too.
    """

    def __init__(self, stream: TextIO, clock: Clock, *, verbosity: Literal["quiet", "normal", "verbose"]) -> None:
        self.verbosity = verbosity
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, int]] = {}
        self._paces: dict[str, figures.Pace] = {}

    def emit(self, event: Event) -> None:
        """Write what is worth a line."""
        with self._lock:
            line = self._line(event)
            if line is None:
                return
            try:
                self._stream.write(f"{presentable(line)}\n")
                self._stream.flush()
            except (OSError, ValueError):  # nobody reads it any more; the work goes on
                self.verbosity = "quiet"

    def close(self) -> None:
        """Leave the stream as it is; nothing is pending."""

    def _line(self, event: Event) -> str | None:
        if isinstance(event, Notice):
            return notice_line(event, self.verbosity)
        if self.verbosity == "quiet":
            return None
        if isinstance(event, StepProgress):
            return self._progress_line(event)
        if isinstance(event, StepStarted):
            self._said[event.step] = (self._clock.monotonic(), 0)
            self._paces[event.step] = figures.Pace()
        return outcome_line(event)

    def _progress_line(self, event: StepProgress) -> str | None:
        now = self._clock.monotonic()
        pace = self._paces.setdefault(event.step, figures.Pace())
        pace.add(now, event.done)
        said_at, said_done = self._said.setdefault(event.step, (now, 0))
        moved = event.total is not None and event.done - said_done >= REPORTED_SHARE * event.total
        silence = now - said_at
        if not (silence >= LONGEST_SILENCE_SECONDS or (moved and silence >= SHORTEST_SILENCE_SECONDS)):
            return None
        self._said[event.step] = (now, event.done)
        parts = [figures.progress(event), figures.pace(pace, event), event.detail]
        return f"  ...     {event.step}: {', '.join(part for part in parts if part)}"


def notice_line(event: Notice, verbosity: str) -> str | None:
    """Return a notice's line, None where it is not wanted."""
    if event.level == "warning":
        return f"warning: {event.message}"
    if verbosity == "quiet" or (event.level == "debug" and verbosity != "verbose"):
        return None
    return event.message


def outcome_line(event: StepStarted | StepReused | StepFinished | StepFailed) -> str:
    """Return the line for a step that starts or ends."""
    match event:
        case StepStarted():
            return f"  start   {event.step}" + (f" ({event.why})" if event.why else "")
        case StepReused():
            return f"  reused  {event.step}"
        case StepFinished():
            summary = f": {event.summary}" if event.summary else ""
            return f"  done    {event.step} in {figures.duration(event.seconds)}{summary}"
        case StepFailed():
            return f"  failed  {event.step}"
