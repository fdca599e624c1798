"""The plan of a rehearsal: the real one of each platform, with a stand-in wherever a layer would be made.

So targets, versions, layers and what bundles share are those of the release that is rehearsed, on whatever machine.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.catalog import locked_environment, pinned_miniforge
from pipeline.model.actions import MakeBundle, MakeLayer
from pipeline.model.host import Tool
from pipeline.model.layer_action import LayerAction
from pipeline.model.plan import Plan
from pipeline.model.rehearsal_actions import RehearseLayer
from pipeline.model.source import LocalTree
from pipeline.model.toolkit import FoundToolkit
from pipeline.names import accel_version
from pipeline.plan.collecting import Planning
from pipeline.plan.planner import make_plan
from pipeline.plan.request import PlanInputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.catalog import Catalog
    from pipeline.model.plan import Decision
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest

_WITH_PROGRAMS = ("core", "wheels")
_NO_DIGEST = "0" * 64


def make_rehearsal(request: BuildRequest, catalog: Catalog) -> Plan:
    """Return the steps of a rehearsal of what was asked for; nothing is looked at but the catalog.

    Raises:
        UnknownNameError: a release is not pinned.
        NothingSelectedError: a target cannot be made from that source in that release, wherever that is tried.
        UsageError: an option is one that the build sets itself, or has no meaning for a target.
    """
    planning = Planning(request, catalog, _pretended(request.targets, request, catalog, ""))
    decisions: dict[str, Decision] = {}
    for platform in dict.fromkeys(catalog.machine_of(target) for target in request.targets):
        targets = tuple(target for target in request.targets if catalog.machine_of(target) == platform)
        wanted = replace(request, targets=targets, prove="none", model_file=None)
        real = make_plan(wanted, catalog, _pretended(targets, wanted, catalog, platform))
        decisions |= {decision.target: decision for decision in real.decisions}
        _Rehearsal(planning, real, {str(target): target for target in targets}).add()
    return Plan(
        targets=tuple(str(target) for target in request.targets),
        decisions=tuple(
            decisions[str(target)].model_copy(update={"why": f"only rehearsed; {decisions[str(target)].why}"})
            for target in request.targets
        ),
        steps=tuple(planning.steps.values()),
    )


class _Rehearsal:
    """The steps that stand for those of a real plan."""

    def __init__(self, planning: Planning, real: Plan, targets: dict[str, Target]) -> None:
        self._planning = planning
        self._real = {step.name: step.action for step in real.steps}
        self._targets = targets

    def add(self) -> None:
        """Add a stand-in for each layer that a bundle has, and the bundle."""
        for action in self._real.values():
            if isinstance(action, MakeBundle):
                self._bundle(self._targets[f"{action.engine}/{action.platform}-{action.accel}"], action)

    def _bundle(self, target: Target, action: MakeBundle) -> None:
        layers = tuple(self._layer(target, name, action) for name in action.layers)
        stand_in = action.model_copy(
            update={
                "rehearsal": True,
                "layers": layers,
                "upstream": action.upstream.model_copy(update={"source_sha256": None}),  # none was fetched
                # No engine is in it, so there is nothing to start, to prove or to list.
                "health": None,
                "proof": None,
                "environment": None,
                "compiled": (),
                "archives": (),
                "materials": (),
                "parts": (),
                "runtime_licenses": (),
            }
        )
        self._planning.add(target, f"rehearse bundle {target} {action.version}", stand_in, layers)

    def _layer(self, target: Target, name: str, bundle: MakeBundle) -> str:
        action = self._real[name]
        if not isinstance(action, LayerAction):
            raise TypeError(f"{name} makes no layer")
        # A vendor's runtime is one layer for all releases.
        version = "" if action.role == "runtime" else f" {bundle.version}"
        stand_in = RehearseLayer(
            layer_name=action.layer_name,
            role=action.role,
            stands_for=f"{bundle.engine}{version} for {target.platform}",
            programs=tuple(sorted(bundle.entry_points.values())) if action.role in _WITH_PROGRAMS else (),
            with_debug=isinstance(action, MakeLayer),
            zstd_level=action.zstd_level,
            epoch_seconds=action.epoch_seconds,
        )
        return self._planning.add(target, f"rehearse {name}", stand_in, ())


class _AnyTool(dict[str, Tool]):
    """Every tool there may be, so that a plan is made for machines that nobody has looked at."""

    def __missing__(self, name: str) -> Tool:
        return Tool(name=name, path=name, version="0", vendor="rehearsal")


def _pretended(targets: Iterable[Target], request: BuildRequest, catalog: Catalog, platform: str) -> PlanInputs:
    """Return what a machine of a platform would have."""
    environments = [target for target in targets if target.engine in catalog.environments]
    sources = [pin.source for engine in catalog.engines.values() for pin in engine.releases]
    return PlanInputs(
        platform=platform,
        glibc=None,
        tools=_AnyTool(),
        local_trees={source.path: _NO_DIGEST for source in sources if isinstance(source, LocalTree)},
        environments={str(target): locked_environment(catalog, target) for target in environments},
        miniforge={str(target): pinned_miniforge(catalog, target) for target in environments if request.with_miniforge},
        toolkits={str(target): found for target in targets if (found := _toolkit(target, catalog)) is not None},
    )


def _toolkit(target: Target, catalog: Catalog) -> FoundToolkit | None:
    """Return the toolkit that a target would be built with: of packages where some are pinned; None for no toolkit."""
    toolkit = catalog.accelerator(target.accel).toolkit if catalog.can_build(target) else None
    if toolkit is None:
        return None
    wanted = accel_version(target.accel)
    if (packaged := toolkit.packages_for(wanted, target.platform)) is not None:
        return FoundToolkit(origin="packaged", version=packaged.version)
    version = wanted or toolkit.minimum or "1"
    return FoundToolkit(origin="system", version=version, path="/rehearsal", runtime_sha256=_NO_DIGEST)
