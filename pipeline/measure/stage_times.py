"""From the events of a command to the time of each stage: every moment belongs to one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.measure.spread import STAGES
from pipeline.model.strategy_runs import StageTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.model.strategy_runs import StageName

# First words of steps, the longest first: those of `install`, `build` and `bench fetch`.
_STAGE_OF: tuple[tuple[str, StageName], ...] = (
    ("trust", "trust"),
    ("download", "download"),
    ("take", "download"),
    ("unpack", "unpack"),
    ("assemble", "assemble"),
    ("check", "check"),
    ("model", "model"),
    ("source", "source"),
    ("fetch", "source"),
    ("packages", "source"),
    ("toolkit", "source"),
    ("compile", "compile"),
    ("build", "compile"),
    ("prove", "check"),
)


class TimedEvent(NamedTuple):
    """An event, and when it came: seconds since its command was started."""

    seconds: float
    event: dict[str, Any]


@dataclass(slots=True)
class EventCollector:
    """Takes the lines of a command, and keeps events with their times; the rest is its result.

    A command's own clock says how far events are apart, and the arrival of the first one when that clock began.

    Attributes:
        now: seconds since the command was started.
        events: so far.
        other_lines: what was no event.
    """

    now: Callable[[], float]
    events: list[TimedEvent] = field(default_factory=list)
    other_lines: list[str] = field(default_factory=list)
    _offset: float | None = None

    def take(self, line: str) -> None:
        """Take one line of output."""
        event = _event(line)
        if event is None:
            self.other_lines.append(line)
            return
        elapsed = float(event["elapsed_seconds"])
        if self._offset is None:
            self._offset = max(0.0, self.now() - elapsed)
        self.events.append(TimedEvent(self._offset + elapsed, event))

    def document(self) -> dict[str, Any]:
        """Return what the command printed with ``--json``; empty when that is not among its lines."""
        lines = self.other_lines
        for first in range(len(lines) - 1, -1, -1):
            if lines[first] == "{":
                last = next((n for n in range(first, len(lines)) if lines[n] == "}"), first)
                try:
                    found = json.loads("\n".join(lines[first : last + 1]))
                except ValueError:
                    continue
                return found if isinstance(found, dict) else {}
        return {}


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith('{"event"'):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "elapsed_seconds" in found else None


def stage_times(
    events: Iterable[TimedEvent], *, end_seconds: float, first: StageName, rest: StageName, last: StageName
) -> tuple[StageTime, ...]:
    """Return how long each stage took; together they are the whole time of the command.

    Of steps that run side by side the earliest stage counts: unpacking beside a download costs nothing.

    Args:
        events: of the command, those of one moment in the order in which they came.
        end_seconds: when it ended.
        first: what is done before the first step.
        rest: the stage of steps that no other one has, and of moments after such a step.
        last: what is done after the last step.
    """
    marks = sorted(
        (
            (min(seconds, end_seconds), event["event"] == "step_started", event["step"])
            for seconds, event in events
            if event["event"] in {"step_started", "step_finished", "step_failed"}
        ),
        key=itemgetter(0),  # stable: a step that is over within a millisecond begins before it ends
    )
    spent: dict[StageName, float] = {}
    running: list[str] = []
    stage, since = first, 0.0
    for seconds, starts, step in marks:
        spent[stage] = spent.get(stage, 0.0) + seconds - since
        since = seconds
        if starts:
            running.append(step)
        elif step in running:
            running.remove(step)
        if running:
            stage = min((_stage_of(name, rest) for name in running), key=STAGES.index)
    spent[stage if not marks else last] = spent.get(last, 0.0) + end_seconds - since
    sizes = _bytes_of(events, rest)
    return tuple(
        StageTime(stage=name, seconds=round(max(0.0, spent[name]), 3), bytes=sizes.get(name, 0))
        for name in STAGES
        if name in spent
    )


def _bytes_of(events: Iterable[TimedEvent], rest: StageName) -> dict[StageName, int]:
    """Return the bytes that steps of downloads said they had brought."""
    done: dict[str, int] = {}
    for _, event in events:
        if event["event"] == "step_progress" and event.get("unit") == "bytes":
            done[event["step"]] = max(done.get(event["step"], 0), int(event["done"]))
    found: dict[StageName, int] = {}
    for step, size in done.items():
        stage = _stage_of(step, rest)
        if stage in {"download", "source", "model"}:
            found[stage] = found.get(stage, 0) + size
    return found


def _stage_of(step: str, rest: StageName) -> StageName:
    return next((stage for word, stage in _STAGE_OF if step.startswith(word)), rest)
