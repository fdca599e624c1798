"""What a release is to have, decided before any machine begins: a view of the plan, for whoever joins the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.catalog import locked_environment
from pipeline.model.release_plan import PlannedBundle, ReleasePlan
from pipeline.plan.choosing import decide

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.plan.request import BuildRequest


def release_plan(request: BuildRequest, catalog: Catalog) -> ReleasePlan:
    """Return the bundles that a request asks for, each as the machine that is meant for it would make it.

    Raises:
        PipelineError: as ``choosing.decide``.
    """
    bundles = []
    for target in request.targets:
        environment = locked_environment(catalog, target) if target.engine in catalog.environments else None
        decision = decide(target, request, catalog, platform=catalog.machine_of(target), environment=environment)
        bundles.append(PlannedBundle(target=str(target), version=decision.version))
    return ReleasePlan(bundles=tuple(bundles))
