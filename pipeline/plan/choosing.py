"""Decides for each target whether upstream's archives are fetched or its source built, from which release, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pipeline.accelerators.registry import KINDS, kind_of
from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.model.manifest import Origin
from pipeline.model.plan import Decision
from pipeline.names import version_key
from pipeline.plan.choosing_assembled import decide_assembled, has_base
from pipeline.plan.toolchains import TOOLCHAIN_CHOICES, choose_toolchain

if TYPE_CHECKING:
    from pipeline.accelerators.interface import AcceleratorKind
    from pipeline.catalog import Catalog
    from pipeline.errors import PipelineError
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.manifest import ProofLevel
    from pipeline.model.toolchain import Runner
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest


NOT_LOOKED = "nobody looked whether this machine has what it runs on"


class Sources(NamedTuple):
    """Releases from which a target can be made, newest first.

    Attributes:
        fetched: with archives that are pinned for it.
        built: whose source is pinned, where a recipe says how to compile it.
    """

    fetched: tuple[str, ...]
    built: tuple[str, ...]


def decide(  # noqa: PLR0913 - one argument for each thing that somebody looked for
    target: Target,
    request: BuildRequest,
    catalog: Catalog,
    *,
    platform: str,
    unreachable: str = "",
    no_device: str = NOT_LOOKED,
    no_toolkit: PipelineError | None = None,
    no_runner: str = NOT_LOOKED,
    environment: LockedEnvironment | None = None,
) -> Decision:
    """Return where a target comes from and how much is proven of it.

    Args:
        target: to make.
        request: with the release, the source and the proof that were asked for.
        catalog: with pinned sources and pinned archives.
        platform: of this machine; for another one only what a toolchain builds is built.
        unreachable: why upstream's archives cannot be had now, empty when they can or nobody looked.
        no_device: why this machine cannot run a GPU's target, or an environment that brings no Python; empty when it
            can.
        no_toolkit: why this machine cannot compile for its accelerator; None where it can or nobody looked.
        no_runner: why what could run another platform's programs is not here; empty where it is.
        environment: what is locked for the target, where it is an environment.

    Raises:
        UnknownNameError: the release is not pinned.
        NothingSelectedError: the target cannot be made from that source in that release.
        PipelineError: ``no_toolkit``, where it can only be built.
        HostError: it can only be built, and not on this machine; or a proof was asked for that cannot be run here.
        UsageError: an option has no meaning for the target.
    """
    kind = kind_of_target(target, catalog)
    if environment is not None:
        asks_more = kind.uses_gpu(target.platform) or not has_base(request, environment)
        proven = _proof(target, request, platform, no_device if asks_more else "")
        engine = catalog.environments[target.engine]
        return decide_assembled(target, request, engine, environment, proof=proven)
    _refuse_options_of_environments(target, request)
    looked = _Looked(platform, unreachable, no_device if kind.is_gpu else "", no_toolkit, no_runner)
    return _decide_compiled(target, request, catalog, looked)


class _Looked(NamedTuple):
    """What is known of this machine, as ``decide`` is told it."""

    platform: str
    unreachable: str
    no_device: str
    no_toolkit: PipelineError | None
    no_runner: str


def _decide_compiled(target: Target, request: BuildRequest, catalog: Catalog, looked: _Looked) -> Decision:
    """Decide about a target that is built, or fetched as upstream built it."""
    platform, no_toolkit = looked.platform, looked.no_toolkit
    sources = releases_of(target, catalog)
    builds = builds_here(target, request, catalog, platform=platform, no_toolkit=no_toolkit)
    release, origin, why = _origin(target, request, catalog, sources, builds=builds, unreachable=looked.unreachable)
    chosen = None
    if origin == "built":
        chosen = choose_toolchain(target, request, catalog, platform=platform, instead=_named(sources))
        if chosen is None and no_toolkit is not None:
            raise no_toolkit
    if origin == "fetched" and request.insists_on_build:
        _refuse_options(target, request, catalog)
    runner = chosen.runner_on(platform) if chosen else None
    lacking = looked.no_runner if runner else looked.no_device
    proof, proof_why = _proof(target, request, platform, lacking, runner=runner)
    name, by = (chosen.toolchain.name, f"; {chosen.title} compiles it") if chosen else ("", "")
    return Decision(
        target=str(target),
        version=release,
        origin=origin,
        why=why + by,
        proof=proof,
        proof_why=proof_why,
        toolchain=name,
    )


def _refuse_options_of_environments(target: Target, request: BuildRequest) -> None:
    if request.wheels_only or request.with_miniforge:
        option = "--wheels-only" if request.wheels_only else "--with-miniforge"
        raise UsageError(f"{target} is no Python environment", hint=f"{option} is for environments alone")


def kind_of_target(target: Target, catalog: Catalog) -> AcceleratorKind:
    """Return the kind of a target's accelerator: an environment's by its name, any other's by its recipe.

    Raises:
        UnknownNameError: there is no recipe for the accelerator.
    """
    kind = kind_of(target.accel) if target.engine in catalog.environments else None
    return kind or KINDS[catalog.accelerator(target.accel).kind]


def builds_here(
    target: Target, request: BuildRequest, catalog: Catalog, *, platform: str, no_toolkit: PipelineError | None
) -> bool:
    """Tell whether a build is thought of where none was asked for: it can be made here, or options insist on one.

    What only a toolchain builds is built where it, or a build, was asked for, or where there is no archive.
    """
    own = target.platform == platform and catalog.builds_natively(target)
    here = own or request.toolchain not in TOOLCHAIN_CHOICES
    return here and (no_toolkit is None or request.insists_on_build)


def needs_network(target: Target, request: BuildRequest, catalog: Catalog, *, builds: bool) -> str | None:
    """Return the release whose archives ``auto`` would fetch if they can be had and would otherwise build, or None."""
    if target.engine in catalog.environments:
        return None
    if request.source != "auto" or request.insists_on_build:
        return None
    sources = releases_of(target, catalog)
    release = request.release or default_release(target, catalog, builds=builds)
    return release if builds and release in sources.fetched and release in sources.built else None


def releases_of(target: Target, catalog: Catalog) -> Sources:
    """Return the releases from which a target can be fetched or built; an environment's can only be assembled."""
    if target.engine in catalog.environments:
        return Sources((), ())
    pinned = catalog.upstream.get(target.engine, {})
    fetched = [tag for tag, release in pinned.items() if target.short in release.targets]
    built = [pin.version for pin in catalog.engine(target.engine).releases] if catalog.can_build(target) else []
    return Sources(*(tuple(sorted(tags, key=version_key, reverse=True)) for tags in (fetched, built)))


def default_release(target: Target, catalog: Catalog, *, builds: bool) -> str:
    """Return the release that is meant when none is named: the recipe's, or the newest that has the target.

    Where this machine does not build it (``builds``), a release with archives is meant if there is one.
    """
    sources = releases_of(target, catalog)
    recipe = catalog.engine(target.engine).default_release
    found = (*sources.fetched, *(sources.built if builds or not sources.fetched else ()))
    return recipe if recipe in found else next(iter(found), recipe)


def _origin(
    target: Target, request: BuildRequest, catalog: Catalog, sources: Sources, *, builds: bool, unreachable: str
) -> tuple[str, Origin, str]:
    """Return (release, origin, why)."""
    match request.source:
        case "build":
            release = request.release or catalog.engine(target.engine).default_release
            return _build(release, target, catalog, sources, why="a build was asked for")
        case "fetch":
            release = request.release or next(iter(sources.fetched), catalog.engine(target.engine).default_release)
            return _fetch(release, target, catalog, sources, why="upstream's archives were asked for")
        case "auto":
            release = request.release or default_release(target, catalog, builds=builds)
            if release not in sources.fetched:
                why = f"no archive of upstream's is pinned for it in {release}"
                return _build(release, target, catalog, sources, why=why)
            if builds and release in sources.built:
                if request.insists_on_build:
                    return release, "built", "options of a build were given"
                if unreachable:
                    return release, "built", f"upstream's archives cannot be had: {unreachable}"
            return _fetch(release, target, catalog, sources, why=f"upstream's release {release} has it")


def _refuse_options(target: Target, request: BuildRequest, catalog: Catalog) -> NoReturn:
    raise UsageError(
        f"{target} is fetched as upstream compiled it, and no option changes that",
        hint=f"leave {' and '.join(request.build_options_given)} out"
        + ("; --source build compiles it" if catalog.can_build(target) else ""),
    )


def _fetch(release: str, target: Target, catalog: Catalog, sources: Sources, *, why: str) -> tuple[str, Origin, str]:
    if release in sources.fetched:
        return release, "fetched", why
    catalog.require_pinned(target.engine, release)
    having = ", ".join(sources.fetched[:4])
    hint = f"releases that have it: {having}" if having else "no pinned release has it"
    if release in sources.built:
        hint += "; --source build makes it from source"
    pinned = release in catalog.upstream.get(target.engine, {})
    what = f"upstream's release {release} has no archive for it" if pinned else f"no archives of {release} are pinned"
    raise NothingSelectedError(f"{target}: {what}", hint=hint)


def _build(release: str, target: Target, catalog: Catalog, sources: Sources, *, why: str) -> tuple[str, Origin, str]:
    catalog.require_pinned(target.engine, release)
    fetched = f"releases with an archive for it: {', '.join(sources.fetched[:4])}" if sources.fetched else ""
    if not sources.built:
        raise NothingSelectedError(f"{target} cannot be built from source: no recipe says how", hint=fetched)
    if release not in sources.built:
        built = f"the source of {', '.join(sources.built[:4])} is"
        raise NothingSelectedError(f"{target}: the source of {release} is not pinned", hint=built)
    return release, "built", why


def _named(sources: Sources) -> str:
    return f"releases with an archive for it: {', '.join(sources.fetched[:4])}" if sources.fetched else ""


def _proof_elsewhere(target: Target, request: BuildRequest, runner: Runner, lacking: str) -> tuple[ProofLevel, str]:
    """Return how much is proven of another platform's programs where something may run them; ``_proof`` says the rest.

    Raises:
        HostError: a proof was asked for, and that is not here.
    """
    if lacking and request.prove in {"load", "run"}:
        raise HostError(f"{target} cannot be proven here: {lacking}", hint=runner.install)
    if request.prove is not None:
        return request.prove, ""
    return ("none", lacking) if lacking else ("run", "")


def _proof(
    target: Target, request: BuildRequest, platform: str, lacking: str, *, runner: Runner | None = None
) -> tuple[ProofLevel, str]:
    """Return how much is proven, and why it is not all when nobody asked for less."""
    why = lacking
    if runner is not None:
        return _proof_elsewhere(target, request, runner, "" if lacking is NOT_LOOKED else lacking)
    if target.platform != platform:
        why = f"it is for {target.platform} and cannot be run on {platform}"
        if request.prove in {"load", "run"}:
            hint = "leave --prove out: its files are measured all the same"
            raise HostError(f"{target} cannot be proven here: {why}", hint=hint)
    if request.prove is not None:
        return request.prove, ""
    return ("none", why) if why else ("run", "")
