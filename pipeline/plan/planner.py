"""Turns a request into a plan. Pure: the same request, catalog and inputs give the same plan."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.builders.cmake import RESERVED
from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.model.manifest import Upstream
from pipeline.model.plan import (
    BuildWebUi,
    Compile,
    FetchModel,
    FetchSource,
    MakeBundle,
    MakeLayer,
    Plan,
    Prove,
    Step,
)
from pipeline.model.recipe import fill
from pipeline.model.source import GitCommit, HttpArchive, PypiSdist
from pipeline.plan.keys import step_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.catalog import Catalog
    from pipeline.model.plan import Action
    from pipeline.model.recipe import Component, EngineRecipe, Pin
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest, PlanInputs


def make_plan(request: BuildRequest, catalog: Catalog, inputs: PlanInputs) -> Plan:
    """Return every step that the request needs, each once, in an order in which each comes after its needs.

    Raises:
        UnknownNameError: a release is not pinned.
        NothingSelectedError: only fetching was allowed, and no pinned release of upstream's has the target.
        HostError: this host cannot build for a target's platform.
        UsageError: an option is one that the build sets itself.
    """
    planner = _Planner(request, catalog, inputs)
    for target in request.targets:
        _refuse_reserved(request.cmake_options, catalog.engine(target.engine))
        planner.add_target(target)
    return planner.plan()


def _refuse_reserved(options: Mapping[str, str], engine: EngineRecipe) -> None:
    """Refuse options that the build sets itself: they would stand in the manifest and do nothing."""
    reserved = sorted(set(options) & (RESERVED | set(engine.options_with_pin)))
    if reserved:
        raise UsageError(
            f"the build sets {', '.join(reserved)} itself", hint="compile_flags and link_flags in the recipe add flags"
        )


class _Planner:
    """Collects steps; a step that is there already only gains a target."""

    def __init__(self, request: BuildRequest, catalog: Catalog, inputs: PlanInputs) -> None:
        self._request = request
        self._catalog = catalog
        self._inputs = inputs
        self._steps: dict[str, Step] = {}

    def plan(self) -> Plan:
        """Return what was collected."""
        return Plan(targets=tuple(str(target) for target in self._request.targets), steps=tuple(self._steps.values()))

    def add_target(self, target: Target) -> None:
        """Add the steps of one target: source, compile, layers, proof, bundle."""
        self._require_buildable(target)
        engine = self._catalog.engine(target.engine)
        accelerator = self._catalog.accelerators[target.accel]
        pin = self._catalog.pin(target.engine, self._request.release)
        label = f"{engine.name} {pin.version}"
        source = self._add(target, f"source {label}", self._fetch_source(pin), (), _size_of(pin))
        web_ui = self._add_web_ui(target, engine, pin, source)
        parts = (("core", engine.core, web_ui), (target.accel, accelerator.engines[engine.name], None))
        compiled, layers = [], []
        for name, component, ui in parts:
            step = self._add_compile(target, engine, pin, name=name, component=component, source=source, web_ui=ui)
            compiled.append(step)
            layers.append(self._add_layer(target, engine, pin, name=name, component=component, compiled=step))
        proof = self._add_proof(target, engine, pin, layers=layers, compiled=compiled)
        self._add_bundle(target, engine, pin, layers=layers, compiled=compiled, proof=proof)

    def _fetch_source(self, pin: Pin) -> FetchSource:
        path = getattr(pin.source, "path", "")
        return FetchSource(source=pin.source, tree_sha256=self._inputs.local_trees.get(path))

    def _require_buildable(self, target: Target) -> None:
        if self._request.source == "fetch":
            raise NothingSelectedError(
                f"{target}: no pinned upstream release carries it", hint="build it: --source build (or auto)"
            )
        if target.platform != self._inputs.platform:
            raise HostError(
                f"{target} cannot be built on {self._inputs.platform}",
                hint=f"build it on {target.platform}; `plan --format github-matrix` gives CI one job a platform",
            )

    def _add_web_ui(self, target: Target, engine: EngineRecipe, pin: Pin, source: str) -> str | None:
        wanted = self._request.web_ui
        if engine.web_ui is None or not (engine.web_ui.enabled if wanted is None else wanted):
            return None
        action = BuildWebUi(
            web_ui=engine.web_ui,
            source=source,
            node=self._inputs.tools["node"].version,
            epoch_seconds=self._epoch_seconds(pin),
        )
        return self._add(target, f"web-ui {engine.name} {pin.version}", action, (source,))

    def _add_compile(
        self,
        target: Target,
        engine: EngineRecipe,
        pin: Pin,
        *,
        name: str,
        component: Component,
        source: str,
        web_ui: str | None,
    ) -> str:
        ui_options = engine.web_ui.options if engine.web_ui and web_ui else {}
        options = {**engine.options, **component.options, **ui_options, **self._request.cmake_options}
        filled = {"build_number": str(pin.build_number), "commit": (pin.commit or pin.version)[:8]}
        place = f"{engine.web_ui.subtree}/{engine.web_ui.output}" if engine.web_ui and web_ui else None
        action = Compile(
            component=component.model_copy(update={"options": options}),
            component_name=name,
            place=f"compile-{engine.name}-{pin.version}-{target.platform}",
            pin_options={key: fill(value, **filled) for key, value in engine.options_with_pin.items()},
            source=source,
            web_ui=web_ui,
            web_ui_place=place,
            compile_flags=engine.compile_flags.get(self._inputs.tools["cc"].vendor, ()),
            link_flags=engine.link_flags,
            toolchain=self._toolchain("cc", "cxx", "cmake"),
            epoch_seconds=self._epoch_seconds(pin),
        )
        suffix = " with web-ui" if web_ui else ""
        step = f"compile {engine.name} {pin.version} {target.platform} {name}{suffix}"
        return self._add(target, step, action, (source, web_ui) if web_ui else (source,))

    def _add_layer(
        self, target: Target, engine: EngineRecipe, pin: Pin, *, name: str, component: Component, compiled: str
    ) -> str:
        source = f"source {engine.name} {pin.version}"
        action = MakeLayer(
            layer_name=name,
            role=component.role,
            compiled=compiled,
            source=source,
            licenses=engine.licenses if component.role == "core" else (),
            toolchain=self._toolchain("strip", "objcopy"),
            zstd_level=self._request.zstd_level,
            epoch_seconds=self._epoch_seconds(pin),
        )
        return self._add(target, compiled.replace("compile ", "layer ", 1), action, (compiled, source))

    def _add_proof(
        self, target: Target, engine: EngineRecipe, pin: Pin, *, layers: list[str], compiled: list[str]
    ) -> str:
        recipe = engine.proof
        accelerator = self._catalog.accelerators[target.accel]
        model = None
        if self._request.prove == "run" and self._request.model_file is None:
            wanted = self._catalog.models[recipe.model]
            size = sum(part.size_bytes for part in wanted.parts)
            model = self._add(target, f"model {wanted.name}", FetchModel(model=wanted), (), size)
        action = Prove(
            target=str(target),
            accelerator_kind=accelerator.kind,
            layers=tuple(layers),
            compiled=tuple(compiled),
            level=self._request.prove,
            recipe=recipe,
            build_number=pin.build_number,
            expect_devices=accelerator.expect_devices,
            requires_cpu=accelerator.requires_cpu,
            system_libraries=engine.system_libraries,
            model=model,
            model_file=str(self._request.model_file) if self._request.model_file else None,
            model_file_sha256=self._inputs.model_sha256,
        )
        needs = (*layers, *compiled, *((model,) if model else ()))
        return self._add(target, f"prove {target} {pin.version}", action, needs)

    def _add_bundle(
        self, target: Target, engine: EngineRecipe, pin: Pin, *, layers: list[str], compiled: list[str], proof: str
    ) -> None:
        action = MakeBundle(
            engine=target.engine,
            platform=target.platform,
            accel=target.accel,
            version=pin.version,
            upstream=_upstream(engine, pin, self._inputs.local_trees),
            entry_points=dict(engine.entry_points),
            licenses=tuple(sorted({text.spdx for text in engine.licenses})),
            layers=tuple(layers),
            proof=proof,
            compiled=tuple(compiled),
            epoch_seconds=self._epoch_seconds(pin),
        )
        self._add(target, f"bundle {target} {pin.version}", action, (*layers, *compiled, proof))

    def _epoch_seconds(self, pin: Pin) -> int:
        asked = self._request.epoch_seconds
        return int(datetime.fromisoformat(pin.released).timestamp()) if asked is None else asked

    def _toolchain(self, *names: str) -> dict[str, str]:
        versions = {name: self._inputs.tools[name] for name in names}
        found = {name: f"{tool.vendor} {tool.version}".strip() for name, tool in versions.items()}
        if "cc" in found:
            found["glibc"] = self._inputs.glibc or ""
        return found

    def _add(self, target: Target, name: str, action: Action, needs: tuple[str, ...], download_bytes: int = 0) -> str:
        known = self._steps.get(name)
        if known:
            self._steps[name] = known.model_copy(
                update={"targets": tuple({**dict.fromkeys(known.targets), str(target): None})}
            )
            return name
        keys = [self._steps[needed].key for needed in needs]
        self._steps[name] = Step(
            name=name,
            action=action,
            needs=needs,
            key=step_key(action, keys),
            targets=(str(target),),
            download_bytes=download_bytes,
        )
        return name


def _size_of(pin: Pin) -> int:
    return getattr(pin.source, "size_bytes", None) or 0


def _upstream(engine: EngineRecipe, pin: Pin, local_trees: Mapping[str, str]) -> Upstream:
    source = pin.source
    digest = source.sha256 if isinstance(source, PypiSdist | HttpArchive) else None
    commit = source.commit if isinstance(source, GitCommit) else pin.commit
    local = local_trees.get(getattr(source, "path", ""))
    return Upstream(repository=engine.repository, tag=pin.version, commit=commit, source_sha256=digest or local)
