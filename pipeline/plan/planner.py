"""Turns a request into a plan. Pure: the same request, catalog and inputs give the same plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.plan import Plan
from pipeline.plan.assembling import add_assembled
from pipeline.plan.building import add_built
from pipeline.plan.choosing import NOT_LOOKED, decide
from pipeline.plan.collecting import Planning
from pipeline.plan.fetching import add_fetched
from pipeline.plan.given_options import refuse_unread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.catalog import Catalog
    from pipeline.model.manifest import Origin
    from pipeline.model.plan import Decision
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest, PlanInputs

_ADD: Mapping[Origin, Callable[[Planning, Target, Decision], None]] = {
    "assembled": add_assembled,
    "built": add_built,
    "fetched": add_fetched,
}


def make_plan(request: BuildRequest, catalog: Catalog, inputs: PlanInputs) -> Plan:
    """Return every step that the request needs, each once, in an order in which each comes after its needs.

    Raises:
        UnknownNameError: a release is not pinned.
        NothingSelectedError: a target cannot be made from that source in that release.
        HostError: this host cannot build for a target's platform, or cannot run the proof that was asked for.
        UsageError: an option is one that the build sets itself, or that nothing of what is built reads, or is for a
            build where nothing is built, or for an environment where none is made.
    """
    planning = Planning(request, catalog, inputs)
    decisions = []
    for target in request.targets:
        decision = decide(
            target,
            request,
            catalog,
            platform=inputs.platform,
            unreachable=inputs.unreachable.get(str(target), ""),
            no_device=inputs.no_device.get(str(target), NOT_LOOKED),
            no_toolkit=inputs.no_toolkit.get(str(target)),
            no_runner=inputs.no_runner.get(str(target), NOT_LOOKED),
            environment=inputs.environments.get(str(target)),
        )
        decisions.append(decision)
        _ADD[decision.origin](planning, target, decision)
    refuse_unread(request, catalog, planning.steps.values())
    return Plan(
        targets=tuple(str(target) for target in request.targets),
        decisions=tuple(decisions),
        steps=tuple(planning.steps.values()),
    )
