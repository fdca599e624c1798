"""Looks at the machine, and asks for upstream's archives where that decides something, before a plan is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

from pipeline.accelerators.interface import NO_REQUIREMENTS
from pipeline.catalog import locked_environment, pinned_miniforge
from pipeline.digest import sha256_stream
from pipeline.errors import UsageError
from pipeline.model.source import LocalTree
from pipeline.plan.choosing import NOT_LOOKED, builds_here, decide, kind_of_target, needs_network
from pipeline.plan.choosing_assembled import has_base
from pipeline.plan.looking_runners import find_runners
from pipeline.plan.looking_toolkits import digested, find_toolkits, naming_archives
from pipeline.plan.native import tools_of_build
from pipeline.plan.request import PlanInputs
from pipeline.plan.tools import require_tools
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.catalog import Catalog
    from pipeline.model.environment import LockedEnvironment, MiniforgeInstaller
    from pipeline.model.host import Tool
    from pipeline.model.plan import Decision
    from pipeline.model.recipe import EngineRecipe
    from pipeline.model.upstream import PinnedRelease
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest
    from pipeline.ports import HostProbe, TreeReader


class _Known(TypedDict):
    """What was found out about one target, as ``choosing.decide`` is told it."""

    unreachable: str
    no_device: str
    no_runner: str
    environment: LockedEnvironment | None


class Reachability(Protocol):
    """The part of a downloader that is asked before a plan is made."""

    def unreachable(self, request: DownloadRequest) -> str:
        """Return why a file cannot be had now, empty when it can."""
        ...


class Surroundings(Protocol):
    """What is looked at before a plan is made; ``ports.Services`` is one."""

    @property
    def host(self) -> HostProbe:
        """What looks at this machine."""
        ...

    @property
    def trees(self) -> TreeReader:
        """What reads folders."""
        ...

    @property
    def downloader(self) -> Reachability:
        """What knows whether a file can be had."""
        ...


def look_around(request: BuildRequest, catalog: Catalog, services: Surroundings) -> PlanInputs:
    """Find the tools and take the digests that a plan needs; ask for upstream's archives where that decides something.

    What is locked for environments is read here, so that planning itself reads no file. Tools are looked for only where
    something is built.

    Raises:
        HostError: a tool is missing or too old; the message says what to install.
        UsageError: a model file or a local source is not there; a lock of an environment is missing or wrong.
        NothingSelectedError: Miniforge was asked for, and none is pinned.
        PipelineError: as ``choosing.decide``.
    """
    facts = services.host.facts()
    environments = _locked(request, catalog)
    unreachable: dict[str, str] = {}
    no_device = _no_devices(request, catalog, environments, services.host) if request.prove is None else {}
    toolkits, no_toolkit = find_toolkits(request, catalog, services.host)
    runners, no_runner = find_runners(request, catalog, services.host)
    decisions = []
    for target in request.targets:
        name, lacking = str(target), no_toolkit.get(str(target))
        builds = builds_here(target, request, catalog, platform=facts.platform, no_toolkit=lacking)
        release = needs_network(target, request, catalog, builds=builds)
        if release and (why := _unreachable(target, catalog.upstream[target.engine][release], services.downloader)):
            unreachable[name] = why
        known: _Known = {
            "unreachable": unreachable.get(name, ""),
            "no_device": no_device.get(name, NOT_LOOKED),
            "no_runner": no_runner.get(name, NOT_LOOKED),
            "environment": environments.get(name),
        }
        decision = decide(target, request, catalog, platform=facts.platform, no_toolkit=lacking, **known)
        decisions.append((target, decision))
    tools, local_trees = _for_builds(decisions, request, catalog, services)
    runs = any(decision.proof == "run" for _, decision in decisions)
    return PlanInputs(
        platform=facts.platform,
        glibc=facts.glibc,
        tools=tools,
        local_trees=local_trees,
        model_sha256=_digest_of_model(request.model_file) if runs else None,
        unreachable=unreachable,
        no_device=no_device,
        environments=environments,
        miniforge=_miniforge(request, catalog),
        toolkits={**toolkits, **digested(toolkits, decisions, request, catalog, platform=facts.platform)},
        no_toolkit=no_toolkit,
        runners=runners,
        no_runner=no_runner,
    )


def _for_builds(
    decisions: Iterable[tuple[Target, Decision]], request: BuildRequest, catalog: Catalog, services: Surroundings
) -> tuple[dict[str, Tool], dict[str, str]]:
    """Return the tools of what is built, and the digests of its sources that are folders of this machine."""
    tools: dict[str, Tool] = {}
    local_trees: dict[str, str] = {}
    for target, decision in decisions:
        if decision.origin != "built":
            continue
        with naming_archives(target, catalog):
            compiled_for = None if decision.toolchain else target.platform
            tools |= _tools(catalog.engine(target.engine), request, services.host, compiled_for)
        source = catalog.pin(target.engine, decision.version).source
        if isinstance(source, LocalTree) and source.path not in local_trees:
            local_trees[source.path] = digest_of_folder(source.path, services.trees)
    return tools, local_trees


def _locked(request: BuildRequest, catalog: Catalog) -> dict[str, LockedEnvironment]:
    """Return what is locked for each target that is an environment."""
    wanted = [target for target in request.targets if target.engine in catalog.environments]
    return {str(target): locked_environment(catalog, target) for target in wanted}


def _miniforge(request: BuildRequest, catalog: Catalog) -> dict[str, MiniforgeInstaller]:
    """Return the installer that is pinned for each target, where one was asked for."""
    wanted = request.targets if request.with_miniforge else ()
    return {str(target): pinned_miniforge(catalog, target) for target in wanted}


def _no_devices(
    request: BuildRequest, catalog: Catalog, environments: Mapping[str, LockedEnvironment], host: HostProbe
) -> dict[str, str]:
    """Return for each target of this platform that asks for more than a processor why it cannot be run here.

    Those are a GPU's, and environments that bring no Python; a reason is empty where it can be run.
    """
    platform = host.facts().platform
    found: dict[str, str] = {}
    for target in request.targets:
        if target.platform != platform:
            continue
        kind, environment = kind_of_target(target, catalog), environments.get(str(target))
        reasons = list(kind.misfits(target.accel, NO_REQUIREMENTS, host.survey())) if kind.uses_gpu(platform) else []
        is_bare = environment is not None and not has_base(request, environment)
        if environment is not None and is_bare and host.tool(f"python{environment.python}") is None:
            reasons.append(f"it brings no Python, and this machine has no python{environment.python} on its PATH")
        if is_bare or kind.uses_gpu(platform):
            found[str(target)] = "; ".join(reasons)
    return found


def _unreachable(target: Target, release: PinnedRelease, downloader: Reachability) -> str:
    """Return why an archive of a target cannot be had now, empty when all can."""
    for name in release.targets[target.short]:
        if why := downloader.unreachable(DownloadRequest.of_asset(release.asset(name), tag=release.tag)):
            return f"{name}: {why}"
    return ""


def _tools(recipe: EngineRecipe, request: BuildRequest, host: HostProbe, platform: str | None) -> dict[str, Tool]:
    """Return the tools that a build of an engine needs; without a platform a toolchain brings the compiler."""
    own = () if platform is None else tools_of_build(recipe, platform)
    names = [*own, "cmake", "ninja"]
    minimum = dict(recipe.minimum_tools)
    if recipe.web_ui and (recipe.web_ui.enabled if request.web_ui is None else request.web_ui):
        names += ["node", "npm"]
        minimum["node"] = recipe.web_ui.minimum_node
    return require_tools(names, minimum, host)


def digest_of_folder(path: str, trees: TreeReader) -> str:
    """Return the digest of a source that is a folder of this machine.

    Raises:
        UsageError: there is no such folder.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"local source {path} is no folder", hint="correct source.path in the recipe")
    return trees.scan(folder, exclude=(".git",)).sha256


def _digest_of_model(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        with path.open("rb") as stream:
            return sha256_stream(stream)[0]
    except OSError as error:
        raise UsageError(
            f"model {path} cannot be read: {error.strerror}", hint="give a GGUF file with --model"
        ) from error
