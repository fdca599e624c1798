"""How long the steps of builds took: ``times.json`` beside a manifest. It is never published."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.model.environment_actions import StepName
from pipeline.model.frozen import Frozen, Line, Sha256, UtcTime

TIMES_FILE = "times.json"
TIMES_VERSION: Literal[1] = 1

Milliseconds = Annotated[int, Field(ge=0, le=10**11)]


class StepTime(Frozen):
    """What one step took.

    Attributes:
        step: its name.
        kind: of its action: ``compile``, ``make-layer`` ...
        key: of the step; the same key is the same work.
        targets: which targets needed it, sorted.
        run: when the build that carried it out began.
        start_milliseconds: from then until it began.
        milliseconds: that it took; 0 where it was reused.
        reused: its result was there already, and nobody has kept how long it took.
    """

    step: StepName
    kind: Line
    key: Sha256
    targets: tuple[Line, ...]
    run: UtcTime
    start_milliseconds: Milliseconds
    milliseconds: Milliseconds
    reused: bool = False


class StepTimes(Frozen):
    """All that is known of a dist folder's steps.

    Attributes:
        schema_version: 1.
        steps: by run, then in the order in which they began; each name once.
    """

    schema_version: Literal[1] = TIMES_VERSION
    steps: tuple[StepTime, ...] = ()


def joined_times(*known: StepTimes) -> StepTimes:
    """Return what several lists know, in any order: of a step that is in more than one, what its last run says.

    A step that was reused keeps how long the same work took when it was done, and is of all targets that needed it.
    """
    found: dict[str, StepTime] = {}
    everything = (time for times in known for time in times.steps)
    for time in sorted(everything, key=lambda one: (one.run, one.start_milliseconds, one.milliseconds)):
        before = found.get(time.step)
        if before is None or before.key != time.key:
            found[time.step] = time
            continue
        targets = tuple(sorted({*before.targets, *time.targets}))
        found[time.step] = (before if time.reused else time).model_copy(update={"targets": targets})
    return StepTimes(steps=tuple(sorted(found.values(), key=lambda one: (one.run, one.start_milliseconds, one.step))))
