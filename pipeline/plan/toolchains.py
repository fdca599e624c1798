"""Chooses what compiles a target, the machine's own compiler or a toolchain for other platforms, and adds its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.builders.wrappers import wrapper_texts
from pipeline.catalog import job_name
from pipeline.errors import HostError, UsageError
from pipeline.model.statements import Material
from pipeline.model.toolchain import CrossCompiler
from pipeline.plan.toolkit_steps import make_packaged, materials_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.catalog import Catalog
    from pipeline.model.recipe import Component
    from pipeline.model.toolchain import CrossEngine, CrossTarget, Runner, Toolchain
    from pipeline.model.toolkit import PackagedToolkit
    from pipeline.names import Target
    from pipeline.plan.collecting import Planning
    from pipeline.plan.request import BuildRequest

TOOLCHAIN_CHOICES = ("auto", "native")
"""What ``--toolchain`` may be beside the name of a recipe below ``recipes/toolchains``."""


class Chosen(NamedTuple):
    """A toolchain, and what of it is used.

    Attributes:
        toolchain: the recipe.
        packaged: its packages for this machine.
        target: how it builds for the platform.
        engine: how it builds the engine for the accelerator.
    """

    toolchain: Toolchain
    packaged: PackagedToolkit
    target: CrossTarget
    engine: CrossEngine

    @property
    def title(self) -> str:
        """Its name with its version."""
        return f"{self.toolchain.title} {self.packaged.version}"

    def runner_on(self, platform: str) -> Runner | None:
        """Return what may run its programs on a machine of a platform; None where they run by themselves, or not."""
        runner = self.target.runner
        known = runner is not None and platform in runner.hosts and platform != self.target.platform
        return runner if known else None


class ToolchainSteps(NamedTuple):
    """What a component is compiled with instead of the machine's own compiler.

    Attributes:
        step: that makes the toolchain.
        compiler: how it is used.
        chosen: where that comes from.
        materials: what the toolchain is made of.
    """

    step: str
    compiler: CrossCompiler
    chosen: Chosen
    materials: tuple[Material, ...]

    @property
    def name(self) -> str:
        """Of its recipe."""
        return self.chosen.toolchain.name


def choose_toolchain(
    target: Target, request: BuildRequest, catalog: Catalog, *, platform: str, instead: str = ""
) -> Chosen | None:
    """Return the toolchain that a target is built with; None for the machine's own compiler.

    Args:
        target: to build.
        request: with the toolchain that was asked for.
        catalog: with the recipes.
        platform: of the machine that compiles.
        instead: what else can be done, for messages.

    Raises:
        HostError: nothing builds it on that machine.
        UsageError: the toolchain that was asked for does not build the target.
    """
    asked = request.toolchain
    natively = target.platform == platform and catalog.builds_natively(target)
    if natively and asked in TOOLCHAIN_CHOICES:
        return None
    names = {"auto": tuple(catalog.toolchains), "native": ()}.get(asked, (asked,))
    for name in names:
        toolchain = catalog.toolchains[name]
        cross, packaged = toolchain.target(target.platform), toolchain.packages_for(platform)
        way = cross.engine(target.engine, target.accel) if cross is not None else None
        if cross is not None and packaged is not None and way is not None:
            return Chosen(toolchain, packaged, cross, way)
    if asked not in TOOLCHAIN_CHOICES:
        raise _not_built_with(catalog.toolchains[asked], target, platform)
    raise _not_built_on(platform, target, catalog, asked=asked, instead=instead)


def toolchain_steps(planning: Planning, target: Target) -> ToolchainSteps | None:
    """Add the steps of the toolchain that builds a target, each once for all; None for the machine's own compiler."""
    chosen = choose_toolchain(target, planning.request, planning.catalog, platform=planning.inputs.platform)
    if chosen is None:
        return None
    toolchain, packaged = chosen.toolchain, chosen.packaged
    step = make_packaged(planning, target, chosen.title, packaged, of=toolchain.name, toolchain={})
    digest = packaged.wheels[0].sha256
    asked = planning.request.cmake_options
    own = {name: value for name, value in chosen.engine.options.items() if name not in asked}
    compiler = CrossCompiler(
        title=chosen.title,
        program=toolchain.program,
        wrappers={
            **wrapper_texts(toolchain, chosen.target, identity=f"{chosen.title} sha256:{digest}"),
            **chosen.target.files,
            **chosen.engine.files,
        },
        environment=toolchain.environment,
        options={**chosen.target.options, **own},
    )
    return ToolchainSteps(step, compiler, chosen, tuple(materials_of(packaged, used_by="compiler")))


def linked_component(core: Component, backend: Component) -> Component:
    """Return core and backend as one component: programs that have the backend inside."""
    return core.model_copy(
        update={
            "options": {**core.options, **backend.options},
            "own_options": (*core.own_options, *backend.own_options),
            "unity": {**core.unity, **backend.unity},
            "unity_excluded": {**core.unity_excluded, **backend.unity_excluded},
        }
    )


def component_for(component: Component, steps: ToolchainSteps | None, *, platform: str) -> Component:
    """Return a component as it is compiled for a platform: its files are called as that system calls them."""
    system = platform.partition("-")[0]
    changes: dict[str, Mapping[str, object] | tuple[str, ...]] = {"outputs_on": {}}
    if system in component.outputs_on:
        changes["outputs"] = component.outputs_on[system]
    if steps is not None and component.role == "core" and steps.chosen.engine.core_outputs:
        changes["outputs"] = steps.chosen.engine.core_outputs
    if steps is not None and not steps.chosen.engine.unity:
        changes |= {"unity": {}, "unity_excluded": {}}
    return component.model_copy(update=changes)


def _not_built_on(platform: str, target: Target, catalog: Catalog, *, asked: str, instead: str) -> HostError:
    """Return what says where a target is built, and why not here where a recipe knows that."""
    crossed = {
        host
        for chain in catalog.toolchains.values()
        if chain.builds(target.engine, target.platform, target.accel)
        for host in chain.hosts
    }
    natively = catalog.builds_natively(target)
    native = catalog.engine(target.engine).native.get(target.platform) if natively and not crossed else None
    why = f": {native.reason}" if native is not None and native.reason else ""
    hosts = sorted(crossed | ({target.platform} if natively else set()))
    hint = f"build it on {' or '.join(hosts)}; `plan --format github-matrix` gives CI one job a platform"
    if natively and catalog.has_workflows:
        hint += f", and the job {job_name(target, catalog)} of the generated workflows builds it there"
    own = " with its own compiler" if asked == "native" else ""
    return HostError(f"{target} cannot be built on {platform}{own}{why}", hint="; ".join(filter(None, (hint, instead))))


def _not_built_with(toolchain: Toolchain, target: Target, platform: str) -> UsageError | HostError:
    if toolchain.packages_for(platform) is None:
        return HostError(
            f"{toolchain.title} is not pinned for {platform}", hint=f"it is for {', '.join(toolchain.hosts)}"
        )
    built = sorted(
        f"{engine}/{cross.platform}-{accel}"
        for cross in toolchain.targets
        for engine, ways in cross.engines.items()
        for way in ways
        for accel in way.accelerators
    )
    return UsageError(f"{toolchain.title} does not build {target}", hint=f"it builds {', '.join(built)}")
