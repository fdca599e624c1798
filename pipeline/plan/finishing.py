"""The last steps of every target, built or fetched: proof and bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

from pipeline.accelerators.registry import KINDS
from pipeline.errors import UsageError
from pipeline.model.actions import FetchModel, MakeBundle, Prove
from pipeline.model.filling import fill
from pipeline.model.manifest import HealthCheck
from pipeline.model.statements import Part
from pipeline.names import family_of, program_file

if TYPE_CHECKING:
    from pipeline.model.manifest import Upstream
    from pipeline.model.plan import Decision
    from pipeline.model.recipe import AcceleratorRecipe, EngineRecipe
    from pipeline.model.statements import Material
    from pipeline.model.toolchain import CrossTarget
    from pipeline.model.toolkit import RuntimeLibraries, StubLibrary
    from pipeline.names import Target
    from pipeline.plan.collecting import Planning


class Made(NamedTuple):
    """What a target's bundle is put together from.

    Attributes:
        layers: steps, in the order in which they are laid over each other.
        compiled: steps whose flags were used.
        archives: steps that fetched upstream's archives.
        materials: what it is built from.
        build_number: that ``--version`` must say.
        upstream: which release of upstream's it is.
        epoch_seconds: time stamp of the bundle.
        architectures: GPUs that it is compiled for; empty where nobody asked for any.
        cross: how a toolchain built it for its platform; None for the machine's own compiler, and for what is fetched.
        linked: whether the backend is inside the programs, which then list no device for it.
    """

    layers: tuple[str, ...]
    build_number: int
    upstream: Upstream
    epoch_seconds: int
    compiled: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    materials: tuple[Material, ...] = ()
    architectures: tuple[str, ...] = ()
    cross: CrossTarget | None = None
    linked: bool = False


def base_of(planning: Planning, target: Target) -> AcceleratorRecipe | None:
    """Return the accelerator of the processor whose backend a built bundle has too; None for one of the processor's.

    Raises:
        UsageError: what ``--base`` names is none.
    """
    catalog, engine = planning.catalog, planning.catalog.engine(target.engine)
    name = planning.request.base or engine.base
    base, own = catalog.accelerator(name), catalog.accelerator(target.accel)
    if own.kind == base.kind:
        return None
    if KINDS[base.kind].is_gpu or engine.name not in base.engines or target.platform not in base.platforms:
        raise UsageError(
            f"--base {name}: no recipe builds it for {target.platform} as a backend of the processor",
            hint=f"leave it out: {engine.base} is taken",
        )
    return base


def finish(planning: Planning, target: Target, decision: Decision, made: Made) -> None:
    """Add the proof and the bundle of a target."""
    engine = planning.catalog.engine(target.engine)
    health = _health(planning, target, decision, made)
    proof = _add_proof(planning, target, decision, made, health)
    action = MakeBundle(
        engine=target.engine,
        platform=target.platform,
        accel=target.accel,
        version=decision.version,
        origin=decision.origin,
        upstream=made.upstream,
        entry_points=_entry_points(engine, target),
        health=health,
        licenses=_licenses(planning, engine, target, decision),
        layers=made.layers,
        proof=proof,
        compiled=made.compiled,
        archives=made.archives,
        materials=made.materials,
        parts=tuple(Part(name=text.name, license=text.spdx) for text in engine.licenses),
        runtime_licenses=_runtime_licenses(planning, target, decision),
        builder_version=planning.request.builder_version,
        epoch_seconds=made.epoch_seconds,
    )
    needs = (*made.layers, *made.compiled, *made.archives, proof)
    planning.add(target, f"bundle {target} {decision.version}{_suffix(decision)}", action, needs)


def _health(planning: Planning, target: Target, decision: Decision, made: Made) -> HealthCheck:
    """Return how the bundle is proven here, and checked wherever it is installed."""
    engine, accelerator = planning.catalog.engine(target.engine), planning.catalog.accelerator(target.accel)
    recipe = engine.proof
    return HealthCheck(
        program=f"bin/{program_file(recipe.server, target.platform)}",
        version_args=recipe.version_args,
        version_pattern=fill(recipe.version_pattern, build_number=str(made.build_number)),
        device_program=f"bin/{program_file(recipe.device_program, target.platform)}",
        device_args=recipe.device_args,
        expect_devices=() if made.linked else _expect_devices(engine, accelerator.expect_devices, target, decision),
        server_args=recipe.server_args,
        prompt=recipe.prompt,
        minimum_tokens=recipe.minimum_tokens,
        ready_timeout_seconds=recipe.ready_timeout_seconds,
    )


def _add_proof(planning: Planning, target: Target, decision: Decision, made: Made, health: HealthCheck) -> str:
    engine, request = planning.catalog.engine(target.engine), planning.request
    recipe = engine.proof
    accelerator = planning.catalog.accelerator(target.accel)
    model = None
    if decision.proof == "run" and request.model_file is None:
        wanted = planning.catalog.models[recipe.model]
        size = sum(part.size_bytes for part in wanted.parts)
        model = planning.add(target, f"model {wanted.name}", FetchModel(model=wanted), (), download_bytes=size)
    action = Prove(
        target=str(target),
        platform=target.platform,
        accelerator_kind=accelerator.kind,
        layers=made.layers,
        compiled=made.compiled,
        level=decision.proof,
        insist=request.prove is not None or decision.origin == "built",
        health=health,
        requires_cpu=_requires_cpu(planning, target, decision),
        system_libraries=made.cross.system_libraries
        if made.cross
        else _system_libraries(planning, engine, target, decision),
        macos_floor=_macos_floor(engine, made) if target.platform.startswith("macos-") else None,
        glibc_floor=made.cross.floor if made.cross and target.platform.startswith("linux-") else None,
        architectures=made.architectures,
        device_code=runtime.device_code if (runtime := _runtime(accelerator)) and decision.origin == "built" else (),
        software_environment=accelerator.software_environment,
        **_opening(planning, target, decision, made),
        model=model,
        model_file=str(request.model_file) if request.model_file else None,
        model_file_sha256=planning.inputs.model_sha256,
        runner=planning.inputs.runners.get(str(target)) if made.cross and decision.proof != "none" else None,
    )
    needs = (*made.layers, *made.compiled, *((model,) if model else ()))
    return planning.add(target, f"prove {target} {decision.version}{_suffix(decision)}", action, needs)


class _Opening(TypedDict, total=False):
    opens: tuple[int, ...]
    stubs: tuple[StubLibrary, ...]


def _opening(planning: Planning, target: Target, decision: Decision, made: Made) -> _Opening:
    """Return what is opened of a build for a GPU that this machine has none of: its own backend, the last compiled."""
    accelerator = planning.catalog.accelerator(target.accel)
    here = target.platform == planning.inputs.platform and target.platform.startswith("linux-") and not made.cross
    is_unseen = decision.proof == "none" and planning.request.prove is None and KINDS[accelerator.kind].is_gpu
    if decision.origin != "built" or not here or not is_unseen:
        return {}
    packages = accelerator.toolkit.packaged if accelerator.toolkit else ()
    stubs = {stub.soname: stub for packaged in packages for stub in packaged.stubs.values()}
    return {"opens": (len(made.compiled) - 1,), "stubs": tuple(stubs.values())}


def _macos_floor(engine: EngineRecipe, made: Made) -> str | None:
    """Return the newest macOS that a file may ask for: what the toolchain promises, or what upstream does."""
    if made.cross is not None:
        return made.cross.floor
    return engine.archives.macos_floor if engine.archives else None


def _requires_cpu(planning: Planning, target: Target, decision: Decision) -> tuple[str, ...]:
    """Return what a processor must have: what the accelerator needs, and the backend of the processor beside it."""
    base = base_of(planning, target) if decision.origin == "built" else None
    own = planning.catalog.accelerator(target.accel).requires_cpu
    return tuple(sorted({*own, *(base.requires_cpu if base else ())}))


def _system_libraries(planning: Planning, engine: EngineRecipe, target: Target, decision: Decision) -> tuple[str, ...]:
    """Return what the host may bring: its system, by what the recipe says of builds or of all, and the driver."""
    parts = planning.catalog.accelerator(target.accel).archives.get(engine.name)
    drivers = parts.system_libraries if parts else ()
    is_native = target.platform in engine.native
    if (decision.origin == "built" and not is_native) or engine.archives is None:
        return (*engine.system_libraries, *drivers)
    system = target.platform.partition("-")[0]
    for name, patterns in engine.archives.system_libraries.items():
        if name == system:
            return (*patterns, *drivers)
    return drivers


def _expect_devices(
    engine: EngineRecipe, expected: tuple[str, ...], target: Target, decision: Decision
) -> tuple[str, ...]:
    """Return what the engine must list: a base accelerator that is linked into it is no plug-in and no device."""
    archives = engine.archives
    system = target.platform.partition("-")[0]
    if decision.origin == "fetched" and archives and system in archives.linked_base_systems:
        return () if family_of(target.accel) == engine.base else expected
    return expected


def _entry_points(engine: EngineRecipe, target: Target) -> dict[str, str]:
    return {name: program_file(path, target.platform) for name, path in engine.entry_points.items()}


def _licenses(planning: Planning, engine: EngineRecipe, target: Target, decision: Decision) -> tuple[str, ...]:
    """Return SPDX identifiers: of the engine, and of a vendor's runtime that a fetched bundle carries."""
    vendor = _runtime_licenses(planning, target, decision)
    return tuple(sorted({*(text.spdx for text in engine.licenses), *vendor}))


def _runtime_licenses(planning: Planning, target: Target, decision: Decision) -> tuple[str, ...]:
    accelerator = planning.catalog.accelerator(target.accel)
    if decision.origin == "built":
        runtime = _runtime(accelerator)
        return runtime.licenses if runtime else ()
    parts = accelerator.archives.get(target.engine)
    return parts.runtime_licenses if parts else ()


def _runtime(accelerator: AcceleratorRecipe) -> RuntimeLibraries | None:
    """Return what a built bundle brings of an accelerator's toolkit."""
    return accelerator.toolkit.runtime if accelerator.toolkit else None


def _suffix(decision: Decision) -> str:
    """Return what tells a fetched target's steps from those of the same one built."""
    return " fetched" if decision.origin == "fetched" else ""
