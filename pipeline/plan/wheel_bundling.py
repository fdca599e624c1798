"""Plans the bundle of an engine that was built as a wheel: an environment in which that wheel is one of the locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.model.environment import WheelFile
from pipeline.model.environment_recipe import EnvironmentEngine
from pipeline.names import Target
from pipeline.plan.planner import make_plan
from pipeline.plan.request import BuildRequest, PlanInputs
from pipeline.plan.wheel_building import required_cpu

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.plan import Plan
    from pipeline.model.result import BlobRef
    from pipeline.model.wheel_recipe import WheelEngine
    from pipeline.ports import HostProbe

_LAYER = "engine"


def bundle_engine(recipe: WheelEngine, accel: str, catalog: Catalog) -> EnvironmentEngine:
    """Return the recipe of the environment that a wheel becomes; the wheel is a layer of its own."""
    return EnvironmentEngine(
        schema_version=1,
        kind="environment",
        name=recipe.name,
        repository=recipe.repository,
        environment=recipe.environment,
        package=recipe.name,
        accel=accel,
        platforms=recipe.platforms,
        entry_points=recipe.bundle.entry_points,
        runtimes={_LAYER: (recipe.name,)},
        requires_cpu=required_cpu(recipe, accel, catalog),
        licenses=recipe.bundle.licenses,
        proof=recipe.bundle.proof,
    )


def with_wheel(environment: LockedEnvironment, recipe: WheelEngine, version: str, blob: BlobRef) -> LockedEnvironment:
    """Return what is locked with the wheel that was built among it, by the digest that it has."""
    built = WheelFile(
        project=recipe.name,
        version=version,
        filename=blob.filename,
        sha256=blob.sha256,
        size_bytes=blob.size_bytes,
    )
    others = (wheel for wheel in environment.wheels if wheel.project != built.project)
    return environment.model_copy(update={"wheels": tuple(sorted((*others, built), key=lambda wheel: wheel.project))})


def plan_bundle(
    engine: EnvironmentEngine,
    environment: LockedEnvironment,
    request: BuildRequest,
    catalog: Catalog,
    host: HostProbe,
) -> Plan:
    """Return the steps of the bundle; the wheel is in the store, and is downloaded from nowhere.

    Raises:
        HostError: the proof is to be run, and this machine has no such Python.
        PipelineError: as ``make_plan``.
    """
    facts = host.facts()
    target = bundle_target(engine, environment.platform)
    missing = ""
    if host.tool(f"python{environment.python}") is None:
        missing = f"it brings no Python, and this machine has no python{environment.python} on its PATH"
        if request.prove == "run":
            raise HostError(f"{target} cannot be run here: {missing}", hint="install it, or take --no-prove")
    inputs = PlanInputs(
        platform=facts.platform or environment.platform,
        glibc=facts.glibc,
        tools={},
        no_device={str(target): missing},
        environments={str(target): environment},
    )
    known = catalog.model_copy(update={"environments": {**catalog.environments, engine.name: engine}})
    return make_plan(request, known, inputs)


def bundle_target(engine: EnvironmentEngine, platform: str) -> Target:
    """Return the target of a bundle."""
    return Target(engine.name, platform, engine.accel)
