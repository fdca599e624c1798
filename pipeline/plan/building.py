"""Steps of a target that is built: source, web interface, compile, layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.builders.cmake import RESERVED
from pipeline.errors import UsageError
from pipeline.model.actions import BuildWebUi, Compile, FetchSource, MakeLayer
from pipeline.model.filling import fill
from pipeline.model.manifest import Upstream
from pipeline.model.source import GitCommit, HttpArchive, PypiSdist
from pipeline.plan.finishing import Made, base_of, finish
from pipeline.plan.given_options import options_for
from pipeline.plan.native import compiling_tools, native_component, native_link_flags, separating_tools
from pipeline.plan.toolchains import component_for, linked_component, toolchain_steps
from pipeline.plan.toolkit_steps import NO_TOOLKIT, toolkit_steps
from pipeline.sources.registry import material_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.plan import Decision
    from pipeline.model.recipe import Component, EngineRecipe, Pin
    from pipeline.names import Target
    from pipeline.plan.collecting import Planning
    from pipeline.plan.toolchains import ToolchainSteps
    from pipeline.plan.toolkit_steps import ToolkitSteps

_ANY_COMPILER = frozenset({"cmake", "ninja"})  # tools that a build has whatever compiles


def add_built(planning: Planning, target: Target, decision: Decision) -> None:
    """Add the steps of one target: source, compile, layers, proof, bundle.

    Raises:
        UsageError: an option is one that the build sets itself.
    """
    engine = planning.catalog.engine(target.engine)
    _refuse_reserved(planning.request.cmake_options, engine)
    build = _Build(planning, target, engine, planning.catalog.pin(target.engine, decision.version))
    build.add(decision)


def _refuse_reserved(options: Mapping[str, str], engine: EngineRecipe) -> None:
    """Refuse options that the build sets itself: they would stand in the manifest and do nothing."""
    reserved = sorted(set(options) & (RESERVED | set(engine.options_with_pin)))
    if reserved:
        raise UsageError(
            f"the build sets {', '.join(reserved)} itself", hint="compile_flags and link_flags in the recipe add flags"
        )


class _Build:
    """The steps of one target from one pinned source."""

    def __init__(self, planning: Planning, target: Target, engine: EngineRecipe, pin: Pin) -> None:
        self._planning = planning
        self._target = target
        self._engine = engine
        self._pin = pin
        self._epoch_seconds = planning.epoch_seconds(pin.released)
        # The same tree is the same archive, of whichever release it is: both have one place in a dist folder.
        self._layer_epoch_seconds = planning.lasting_epoch_seconds
        self._label = f"{engine.name} {pin.version}"
        self._chain: ToolchainSteps | None = toolchain_steps(planning, target)

    def add(self, decision: Decision) -> None:
        pin = self._pin
        path = getattr(pin.source, "path", "")
        local_trees = self._planning.inputs.local_trees
        action = FetchSource(source=pin.source, tree_sha256=local_trees.get(path))
        size = getattr(pin.source, "size_bytes", None) or 0
        source = self._planning.add(self._target, f"source {self._label}", action, (), download_bytes=size)
        web_ui = self._web_ui(source)
        kit = toolkit_steps(self._planning, self._target)
        compiled, layers = [], []
        for name, component, ui, with_kit in self._parts(web_ui, kit):
            compiled.append(self._compile(name=name, component=component, source=source, web_ui=ui, kit=with_kit))
            layers.append(self._layer(compiled[-1], name=name, component=component, source=source))
        materials = self._chain.materials if self._chain else ()
        made = Made(
            layers=(*layers, *((kit.runtime_layer,) if kit.runtime_layer else ())),
            compiled=tuple(compiled),
            architectures=kit.architectures,
            build_number=pin.build_number,
            upstream=_upstream(self._engine, pin, local_trees),
            epoch_seconds=self._epoch_seconds,
            materials=(material_of(pin.source, tree_sha256=local_trees.get(path)), *kit.materials, *materials),
            cross=self._chain.chosen.target if self._chain else None,
            linked=self._chain is not None and self._chain.chosen.engine.linked,
        )
        finish(self._planning, self._target, decision, made)

    def _parts(self, web_ui: str | None, kit: ToolkitSteps) -> list[tuple[str, Component, str | None, ToolkitSteps]]:
        """Return what is compiled, part by part: its name, how, with which web interface and which toolkit."""
        target, engine = self._target, self._engine
        own = self._planning.catalog.accelerator(target.accel).engines[engine.name]
        if self._chain is not None and self._chain.chosen.engine.linked:
            return [(f"core-{target.accel}", linked_component(engine.core, own), web_ui, kit)]
        parts = [("core", engine.core, web_ui, NO_TOOLKIT)]
        if (base := base_of(self._planning, target)) is not None:
            parts.append((base.name, base.engines[engine.name], None, NO_TOOLKIT))
        return [*parts, (target.accel, own, None, kit)]

    def _web_ui(self, source: str) -> str | None:
        engine, wanted = self._engine, self._planning.request.web_ui
        if engine.web_ui is None or not (engine.web_ui.enabled if wanted is None else wanted):
            return None
        action = BuildWebUi(
            web_ui=engine.web_ui,
            source=source,
            node=self._planning.inputs.tools["node"].version,
            epoch_seconds=self._epoch_seconds,
        )
        return self._planning.add(self._target, f"web-ui {self._label}", action, (source,))

    def _compile(self, *, name: str, component: Component, source: str, web_ui: str | None, kit: ToolkitSteps) -> str:
        engine, pin, request, chain = self._engine, self._pin, self._planning.request, self._chain
        component = component_for(component, chain, platform=self._target.platform)
        if chain is None:
            component = native_component(component, engine, self._target.platform)
        ui_options = engine.web_ui.options if engine.web_ui and web_ui else {}
        own = {key: value.replace("{architectures}", kit.spelt) for key, value in component.options.items()}
        given = options_for(component, engine.name, request, self._planning.catalog)
        options = {**engine.options, **own, **ui_options, **given}
        filled = {"build_number": str(pin.build_number), "commit": (pin.commit or pin.version)[:8]}
        place = f"{engine.web_ui.subtree}/{engine.web_ui.output}" if engine.web_ui and web_ui else None
        action = Compile(
            component=component.model_copy(update={"options": options, "own_options": (), "space_bytes": 0}),
            component_name=name,
            place=f"compile-{engine.name}-{pin.version}-{self._target.platform}" + (f"-{chain.name}" if chain else ""),
            pin_options={key: fill(value, **filled) for key, value in engine.options_with_pin.items()},
            source=source,
            web_ui=web_ui,
            web_ui_place=place,
            compile_flags=() if kit.compilers else self._compile_flags(),
            link_flags=chain.chosen.target.link_flags if chain else native_link_flags(engine, self._target.platform),
            toolchain={**self._compilers(), **kit.versions},
            epoch_seconds=self._epoch_seconds,
            toolkit=kit.step,
            toolkit_dir=kit.folder,
            compilers=kit.compilers,
            space_bytes=component.space_bytes,
            toolchain_tree=chain.step if chain else None,
            cross=chain.compiler if chain else None,
        )
        needs = tuple(filter(None, (source, web_ui, kit.step, action.toolchain_tree)))
        suffix = (" with web-ui" if web_ui else "") + (f" by {chain.name}" if chain else "")
        step = f"compile {self._label} {self._target.platform} {name}{suffix}"
        return self._planning.add(self._target, step, action, needs)

    def _compile_flags(self) -> tuple[str, ...]:
        name = self._chain.name if self._chain else self._planning.inputs.tools["cc"].vendor
        return self._engine.compile_flags.get(name, ())

    def _layer(self, compiled: str, *, name: str, component: Component, source: str) -> str:
        native = self._engine.native.get(self._target.platform)
        action = MakeLayer(
            layer_name=name,
            role=component.role,
            compiled=compiled,
            source=source,
            licenses=self._engine.licenses if component.role == "core" else (),
            toolchain=self._versions(separating_tools(self._engine, self._target.platform)),
            separation=native.separation if native is not None and self._chain is None else None,
            zstd_level=self._planning.request.zstd_level,
            epoch_seconds=self._layer_epoch_seconds,
        )
        return self._planning.add(self._target, compiled.replace("compile ", "layer ", 1), action, (compiled, source))

    def _compilers(self) -> dict[str, str]:
        """Return the versions of what compiles; of the machine's own compiler also what it compiles against."""
        chain, platform = self._chain, self._target.platform
        found = self._versions((*compiling_tools(self._engine, platform), "cmake"))
        if chain is not None:
            found[chain.name] = f"{chain.chosen.packaged.version} for {chain.chosen.target.triple}"
        elif platform not in self._engine.native:
            found["glibc"] = self._planning.inputs.glibc or ""
        return found

    def _versions(self, names: Iterable[str]) -> dict[str, str]:
        """Return versions of tools; those of the machine's compiler are left out where a toolchain is used instead."""
        tools = self._planning.inputs.tools
        wanted = [name for name in names if self._chain is None or name in _ANY_COMPILER]
        return {name: f"{tools[name].vendor} {tools[name].version}".strip() for name in wanted}


def _upstream(engine: EngineRecipe, pin: Pin, local_trees: Mapping[str, str]) -> Upstream:
    source = pin.source
    digest = source.sha256 if isinstance(source, PypiSdist | HttpArchive) else None
    commit = source.commit if isinstance(source, GitCommit) else pin.commit
    local = local_trees.get(getattr(source, "path", ""))
    return Upstream(repository=engine.repository, tag=pin.version, commit=commit, source_sha256=digest or local)
