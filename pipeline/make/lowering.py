"""Proofs that this machine could not give in full: kept under keys of their own, and tried again by every build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.make.proof_level import provable
from pipeline.model.actions import Prove
from pipeline.model.environment_actions import ProveEnvironment
from pipeline.model.manifest import Requires
from pipeline.plan.keys import step_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from pipeline.model.actions import Action
    from pipeline.model.plan import Plan, Step
    from pipeline.model.result import StepResult
    from pipeline.ports import Services


def proved_less(step: Step, facts: Mapping[str, JsonValue]) -> bool:
    """Tell whether a step proved less than was planned; what it made must not be kept under its key."""
    if not isinstance(step.action, Prove | ProveEnvironment):
        return False
    proof = facts["proof"]
    return isinstance(proof, dict) and proof["level"] != step.action.level


def lowered_action(action: Action) -> Action:
    """Return an action that proves as one that runs nothing."""
    if not isinstance(action, Prove | ProveEnvironment):
        raise TypeError(f"{action.kind} proves nothing")
    return action.model_copy(update={"level": "none", "insist": False})


def lowered(plan: Plan, name: str) -> Plan:
    """Return the plan in which a step proves nothing by running; it and what needs it have other keys."""
    keys: dict[str, str] = {}
    changed: set[str] = set()
    steps = []
    for step in plan.steps:
        now = step
        if step.name == name or changed.intersection(step.needs):
            changed.add(step.name)
            action = lowered_action(step.action) if step.name == name else step.action
            key = step_key(action, [keys[needed] for needed in step.needs])
            now = step.model_copy(update={"action": action, "key": key})
        keys[step.name] = now.key
        steps.append(now)
    return plan.model_copy(update={"steps": tuple(steps)})


def settle(plan: Plan, services: Services) -> Plan:
    """Return the plan with the proofs lowered that were given in part before and cannot be given in full now either.

    Of each it is said again, as of one that is made. Where the machine has by now what it lacked nothing is lowered, so
    that the proof is made.

    Raises:
        HostError: a proof that nothing less will do for cannot be given.
    """
    for name in [step.name for step in plan.steps if isinstance(step.action, Prove | ProveEnvironment)]:
        step = _named(plan, name)
        if services.store.result(step.key) is not None:
            continue
        candidate = lowered(plan, name)
        known = services.store.result(_named(candidate, name).key)
        if known is not None and not _can_prove(step, known, services):
            plan = candidate
    return plan


def _named(plan: Plan, name: str) -> Step:
    return next(step for step in plan.steps if step.name == name)


def _can_prove(step: Step, known: StepResult, services: Services) -> bool:
    """Tell whether this machine has by now what a proof takes, by what was measured then."""
    action = step.action
    requires = Requires.model_validate(known.facts["requires"], strict=False)
    if isinstance(action, Prove):
        elsewhere = action.runner is not None
        return provable(action, action.platform, requires, services, elsewhere=elsewhere) == action.level
    if isinstance(action, ProveEnvironment):
        # That module needs the libraries of environments.
        from pipeline.make.run_environment import usable_python  # noqa: PLC0415 - packaging and others are extras

        with services.store.work_dir(f"python-{step.key[:20]}") as work:
            _, missing = usable_python(action, services=services, work=work)
        return provable(action, action.environment.platform, requires, services, missing=missing) == action.level
    raise TypeError(f"{step.name} proves nothing")
