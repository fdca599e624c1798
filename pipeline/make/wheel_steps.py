"""The steps that only engines have which are built as wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.make.build_wheel import build_wheel
from pipeline.make.prove_wheel import prove_wheel
from pipeline.model.wheel_actions import BuildWheel, ProveWheel

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.outputs import Outputs, Results
    from pipeline.model.plan import Step
    from pipeline.ports import Services


def carry_out_wheel_step(
    action: BuildWheel | ProveWheel, step: Step, services: Services, results: Results, work: Path
) -> Outputs:
    """Carry out a step of a wheel.

    Raises:
        PipelineError: as the stage's own function says.
    """
    if isinstance(action, BuildWheel):
        return build_wheel(action, step, services, results, work)
    return prove_wheel(action, services, results, work)
