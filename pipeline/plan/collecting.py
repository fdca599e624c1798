"""Collects steps while a plan is made: each once, however many targets need it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.model.plan import Step
from pipeline.model.time_stamps import LASTING_EPOCH_SECONDS
from pipeline.plan.keys import step_key

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.model.actions import Action
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest, PlanInputs


@dataclass(frozen=True, slots=True)
class Planning:
    """What all parts of the planner look at, and the steps so far.

    Attributes:
        request: what is asked for.
        catalog: what can be made.
        inputs: what is known of this machine.
        steps: by name, in order.
    """

    request: BuildRequest
    catalog: Catalog
    inputs: PlanInputs
    steps: dict[str, Step] = field(default_factory=dict)

    def add(self, target: Target, name: str, action: Action, needs: tuple[str, ...], *, download_bytes: int = 0) -> str:
        """Add a step, or one more target to a step that is there; return its name."""
        known = self.steps.get(name)
        if known:
            targets = tuple({**dict.fromkeys(known.targets), str(target): None})
            self.steps[name] = known.model_copy(update={"targets": targets})
            return name
        keys = [self.steps[needed].key for needed in needs]
        self.steps[name] = Step(
            name=name,
            action=action,
            needs=needs,
            key=step_key(action, keys),
            targets=(str(target),),
            download_bytes=download_bytes,
        )
        return name

    def epoch_seconds(self, released: str) -> int:
        """Return the time stamp of what is made from a release of that date (RFC 3339)."""
        asked = self.request.epoch_seconds
        return int(datetime.fromisoformat(released).timestamp()) if asked is None else asked

    @property
    def lasting_epoch_seconds(self) -> int:
        """The time stamp of what is the same archive in every release, unless SOURCE_DATE_EPOCH says another."""
        asked = self.request.epoch_seconds
        return LASTING_EPOCH_SECONDS if asked is None else asked
