"""What happens while a command works: plain values that stages emit and sinks in ``reporting`` render.

An event carries no wording for the screen and no time of day; a sink adds both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal["objects", "bytes", "files", "tokens"]


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins. ``why`` says why it is needed (not cached, forced, ...)."""

    step: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class StepReused:
    """A step's result was already there under its key."""

    step: str
    key: str


@dataclass(frozen=True, slots=True)
class StepProgress:
    """A step has done ``done`` of ``total`` (None: unknown) units; ``detail`` names the current piece."""

    step: str
    done: int
    total: int | None
    unit: Unit
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step is done after ``seconds`` of wall time; ``summary`` is one line of figures."""

    step: str
    seconds: float
    summary: str = ""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step failed; the error itself is raised to the command."""

    step: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should read. ``level`` is ``info``, ``warning`` (never hidden by --quiet) or ``debug``."""

    message: str
    level: Literal["debug", "info", "warning"] = "info"


Event = StepStarted | StepReused | StepProgress | StepFinished | StepFailed | Notice


class EventSink(Protocol):
    """Receives events in order, from any thread; never raises."""

    def emit(self, event: Event) -> None:
        """Take one event."""
