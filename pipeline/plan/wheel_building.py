"""Plans the wheel of an engine that is built as one: source, wheel, proof. Pure but for looking at tools."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pipeline.builders.cmake import RESERVED
from pipeline.builders.wheel_backend import backend_version
from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.model.actions import FetchModel, FetchSource
from pipeline.model.environment_actions import FetchPackages, PackageFile
from pipeline.model.plan import Decision, Plan, Step
from pipeline.model.source import LocalTree
from pipeline.model.wheel_actions import BuildWheel, ProveWheel
from pipeline.names import UnknownNameError
from pipeline.plan.keys import step_key
from pipeline.plan.looking import digest_of_folder
from pipeline.plan.tools import require_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.catalog import Catalog
    from pipeline.model.actions import Action
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.host import Tool
    from pipeline.model.recipe import AcceleratorRecipe
    from pipeline.model.wheel_recipe import WheelEngine, WheelPin
    from pipeline.ports import HostProbe, TreeReader

_TOOLS = ("cc", "cxx", "cmake", "ninja")


class WheelRequest(NamedTuple):
    """What is asked for.

    Attributes:
        engine: of the recipes.
        accel: of the contract's names.
        release: version of a pin; None for the default one.
        prove: whether the wheel is installed and made to generate.
        epoch_seconds: time stamp that was asked for; None takes the release's date.
    """

    engine: str
    accel: str
    release: str | None = None
    prove: bool = True
    epoch_seconds: int | None = None


def find_tools(recipe: WheelEngine, host: HostProbe) -> dict[str, Tool]:
    """Return what the build needs of this machine.

    Raises:
        HostError: a tool is missing or too old, or the wheel is not for this platform.
    """
    platform = host.facts().platform
    if platform not in recipe.platforms:
        raise HostError(f"{recipe.name} is not built on {platform}", hint=f"it is on {', '.join(recipe.platforms)}")
    return require_tools(_TOOLS, recipe.minimum_tools, host)


def other_versions(host: HostProbe) -> dict[str, str]:
    """Return the versions of what decides beside the tools what a wheel is.

    Raises:
        HostError: scikit-build-core is missing.
    """
    return {"glibc": host.facts().glibc or "", "scikit-build-core": backend_version()}


def digest_of_tree(recipe: WheelEngine, release: str | None, trees: TreeReader) -> str | None:
    """Return the digest of a source that is a folder of this machine, None for one that is pinned.

    Raises:
        UnknownNameError: the release is not known.
        UsageError: there is no such folder.
    """
    source = _pin(recipe, release).source
    return digest_of_folder(source.path, trees) if isinstance(source, LocalTree) else None


def options_of(recipe: WheelEngine, accel: str, catalog: Catalog, platform: str) -> dict[str, str]:
    """Return the options that an accelerator brings to a wheel; each of them the source must know.

    Raises:
        NothingSelectedError: there is no wheel for it, with the reason.
    """
    if accel in recipe.refused:
        raise NothingSelectedError(f"{recipe.name} for {accel} cannot be built: {recipe.refused[accel]}")
    options: dict[str, str] = {}
    for name in dict.fromkeys((recipe.base, accel)):
        accelerator = catalog.accelerator(name)
        component = accelerator.engines.get(recipe.options_of)
        if component is None or platform not in accelerator.platforms:
            raise NothingSelectedError(
                f"{recipe.name} for {accel} cannot be built: recipes/accelerators/{accelerator.name}.toml does not say "
                f"how {recipe.options_of} is built for {platform}",
                hint=f"there is {', '.join(buildable(recipe, catalog, platform))}",
            )
        if accelerator.toolkit is not None:
            raise NothingSelectedError(
                f"{recipe.name} for {accel} cannot be built: it needs a toolkit, which only `build` finds",
                hint=f"there is {', '.join(buildable(recipe, catalog, platform))}",
            )
        options |= component.options
    return {**options, **recipe.options}


def buildable(recipe: WheelEngine, catalog: Catalog, platform: str) -> tuple[str, ...]:
    """Return the accelerators that a recipe can have on a platform, sorted."""

    def fits(accelerator: AcceleratorRecipe) -> bool:
        return (
            accelerator.name not in recipe.refused
            and accelerator.toolkit is None
            and platform in accelerator.platforms
            and recipe.options_of in accelerator.engines
        )

    return tuple(sorted(found.name for found in catalog.accelerators.values() if fits(found)))


def plan_wheel(
    request: WheelRequest,
    catalog: Catalog,
    *,
    platform: str,
    tools: Mapping[str, Tool],
    versions: Mapping[str, str],
    environment: LockedEnvironment | None,
    tree_sha256: str | None = None,
) -> Plan:
    """Return the steps of one wheel.

    Args:
        request: what is asked for.
        catalog: what can be made.
        platform: of this machine.
        tools: of ``find_tools``.
        versions: of ``other_versions``.
        environment: what it needs beside itself, for the proof; None where nothing is proven.
        tree_sha256: of a source that is a folder of this machine.

    Raises:
        UnknownNameError: the engine, the accelerator or the release is not known.
        NothingSelectedError: there is no such wheel.
        UsageError: an option is one that the build sets itself.
    """
    recipe = engine_of(request.engine, catalog)
    pin = _pin(recipe, request.release)
    steps = _Steps(f"{recipe.name}/{platform}-{request.accel}")
    label = f"{recipe.name} {pin.version}"
    source = steps.add(
        f"source {label}",
        FetchSource(source=pin.source, tree_sha256=tree_sha256),
        download_bytes=getattr(pin.source, "size_bytes", None) or 0,
    )
    toolchain = {name: f"{tool.vendor} {tool.version}".strip() for name, tool in tools.items()} | {**versions}
    vendor = tools["cc"].vendor
    action = _build(request, catalog, pin, platform=platform, toolchain=toolchain, vendor=vendor, source=source)
    wheel = steps.add(f"wheel {label} {platform}-{request.accel}", action, source)
    if environment is not None:
        _add_proof(steps, recipe, catalog, environment, wheel)
    decision = Decision(
        target=steps.target, version=pin.version, origin="built", why="asked for as a wheel", proof="none"
    )
    return Plan(targets=(steps.target,), decisions=(decision,), steps=tuple(steps.found.values()))


def _build(
    request: WheelRequest,
    catalog: Catalog,
    pin: WheelPin,
    *,
    platform: str,
    toolchain: Mapping[str, str],
    vendor: str,
    source: str,
) -> BuildWheel:
    recipe = engine_of(request.engine, catalog)
    options = options_of(recipe, request.accel, catalog, platform)
    engine = catalog.engine(recipe.options_of)
    if reserved := sorted(set(options) & RESERVED):
        raise UsageError(f"the build sets {', '.join(reserved)} itself", hint=f"correct the recipe of {recipe.name}")
    epoch = int(datetime.fromisoformat(pin.released).timestamp())
    return BuildWheel(
        project=recipe.name,
        version=pin.version,
        platform=platform,
        place=f"compile-{recipe.name}-{pin.version}-{platform}",
        source=source,
        options=options,
        options_if_known={name: value for name, value in engine.options.items() if name not in options},
        variables=recipe.variables,
        license_files=recipe.license_files,
        exclude=recipe.exclude,
        compile_flags=engine.compile_flags.get(vendor, ()),
        link_flags=engine.link_flags,
        requires_cpu=required_cpu(recipe, request.accel, catalog),
        system_libraries=recipe.system_libraries,
        toolchain=dict(sorted(toolchain.items())),
        epoch_seconds=epoch if request.epoch_seconds is None else request.epoch_seconds,
    )


def required_cpu(recipe: WheelEngine, accel: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the instruction set extensions that a wheel may be compiled for, sorted."""
    return tuple(sorted({need for name in (recipe.base, accel) for need in catalog.accelerator(name).requires_cpu}))


def engine_of(name: str, catalog: Catalog) -> WheelEngine:
    """Return the recipe of an engine that is built as a wheel.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in catalog.wheels:
        hint = f"there is {', '.join(sorted(catalog.wheels)) or 'none'}; `wheel pack` makes wheels of bundles"
        raise UnknownNameError(f"{name!r} is no engine that is built as a wheel", hint=hint)
    return catalog.wheels[name]


def _pin(recipe: WheelEngine, release: str | None) -> WheelPin:
    wanted = release or recipe.default_release
    for pin in recipe.releases:
        if pin.version == wanted:
            return pin
    known = ", ".join(pin.version for pin in recipe.releases)
    raise UnknownNameError(f"{recipe.name} has no pinned release {wanted!r}", hint=f"there is {known}")


class _Steps:
    """Steps of one wheel, in order."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.found: dict[str, Step] = {}

    def add(self, name: str, action: Action, *needs: str, download_bytes: int = 0) -> str:
        key = step_key(action, [self.found[needed].key for needed in needs])
        self.found[name] = Step(
            name=name, action=action, needs=needs, key=key, targets=(self.target,), download_bytes=download_bytes
        )
        return name


def _add_proof(
    steps: _Steps, recipe: WheelEngine, catalog: Catalog, environment: LockedEnvironment, wheel: str
) -> None:
    files = tuple(
        PackageFile(filename=one.filename, sha256=one.sha256, size_bytes=one.size_bytes, project=one.project)
        for one in environment.wheels
    )
    fetch = FetchPackages(environment=environment.name, platform=environment.platform, what="wheels", files=files)
    size = sum(file.size_bytes for file in files)
    fetched = steps.add(f"fetch wheels of {environment.name} for {environment.platform}", fetch, download_bytes=size)
    wanted = catalog.models[recipe.proof.model]
    model = steps.add(
        f"model {wanted.name}",
        FetchModel(model=wanted),
        download_bytes=sum(part.size_bytes for part in wanted.parts),
    )
    proof = ProveWheel(
        wheel=wheel,
        fetched=fetched,
        needs=environment.wheels,
        python=environment.python,
        model=model,
        proof=recipe.proof,
    )
    steps.add(f"prove {wheel}", proof, wheel, fetched, model)
