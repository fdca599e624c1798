"""How long each step of a build took, kept beside its manifest for reports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.events import Notice
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.step_times import TIMES_FILE, StepTime, StepTimes, joined_times

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.events import EventSink
    from pipeline.model.plan import Step
    from pipeline.ports import Clock


class StepLog:
    """The steps of one build, in the order in which they were looked at."""

    def __init__(self, clock: Clock) -> None:
        """Begin now."""
        self._clock = clock
        self._began = clock.monotonic()
        self._run = f"{datetime.fromtimestamp(clock.now_seconds(), UTC):%Y-%m-%dT%H:%M:%SZ}"
        self._steps: list[StepTime] = []

    def reused(self, step: Step) -> None:
        """Take a step whose result was there."""
        self._add(step, self._clock.monotonic(), 0.0, reused=True)

    def done(self, step: Step, *, started: float) -> None:
        """Take a step that was carried out since ``started``, which is of the clock."""
        self._add(step, started, self._clock.monotonic() - started, reused=False)

    def times(self) -> StepTimes:
        """Return what was taken so far."""
        return StepTimes(steps=tuple(self._steps))

    def _add(self, step: Step, started: float, seconds: float, *, reused: bool) -> None:
        self._steps.append(
            StepTime(
                step=step.name,
                kind=step.action.kind,
                key=step.key,
                targets=tuple(sorted(step.targets)),
                run=self._run,
                start_milliseconds=round((started - self._began) * 1000),
                milliseconds=round(seconds * 1000),
                reused=reused,
            )
        )


def times_document(output_dir: Path, times: StepTimes, events: EventSink) -> bytes:
    """Return the times of a folder's steps with new ones among them; what cannot be read there is replaced."""
    path = output_dir / TIMES_FILE
    known = StepTimes()
    try:
        known = read_document(StepTimes, path.read_bytes(), what=str(path))
    except FileNotFoundError:
        pass
    except IntegrityError as error:
        events.emit(Notice(f"{path} is replaced: {error.message}", "warning"))
    return write_document(joined_times(known, times))
