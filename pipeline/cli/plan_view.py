"""How a plan is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.cli.tables import size_text, table
from pipeline.model.actions import BuildWebUi, Compile
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.model.plan import Plan, Step, StepState

_KEY_LENGTH = 12


def plan_document(plan: Plan, states: Sequence[StepState]) -> dict[str, Any]:
    """Return a plan with what the store knows of each step, as plain JSON."""
    steps = [
        {**step.model_dump(mode="json"), "reused": state.reused, "why": state.why}
        for step, state in zip(plan.steps, states, strict=True)
    ]
    decisions = [decision.model_dump(mode="json") for decision in plan.decisions]
    return {
        "targets": list(plan.targets),
        "decisions": decisions,
        "steps": steps,
        "download_bytes": _download_bytes(plan, states),
    }


def plan_text(plan: Plan, states: Sequence[StepState]) -> str:
    """Return a plan as a table with a line of totals."""
    rows = [
        (step.name, _state(step, state), step.key[:_KEY_LENGTH], state.why)
        for step, state in zip(plan.steps, states, strict=True)
    ]
    reused = sum(state.reused for state in states)
    totals = f"{counted(len(rows), 'step')}: {reused} reused, {len(rows) - reused} to do"
    download_bytes = _download_bytes(plan, states)
    if download_bytes:
        totals += f", {size_text(download_bytes)} to download"
    decided = [
        (
            decision.target,
            decision.version,
            decision.origin,
            decision.proof,
            "; ".join(filter(None, (decision.why, decision.proof_why))),
        )
        for decision in plan.decisions
    ]
    return (
        f"{table(('target', 'version', 'origin', 'proof', 'why'), decided)}\n\n"
        f"{table(('step', 'state', 'key', 'why'), rows)}\n\n{totals}"
    )


def steps_to_download(plan: Plan, states: Sequence[StepState]) -> tuple[Step, ...]:
    """Return the steps that need bytes which are not here."""
    return tuple(
        step for step, state in zip(plan.steps, states, strict=True) if step.download_bytes and not state.reused
    )


def _state(step: Step, state: StepState) -> str:
    if state.reused:
        return "reused"
    if step.download_bytes:
        return f"download {size_text(step.download_bytes)}"
    return "build" if isinstance(step.action, Compile | BuildWebUi) else "make"


def _download_bytes(plan: Plan, states: Sequence[StepState]) -> int:
    return sum(step.download_bytes for step, state in zip(plan.steps, states, strict=True) if not state.reused)
