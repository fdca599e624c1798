"""What a step of a plan can be told to do: plain data, one class a stage."""

from __future__ import annotations

from operator import not_
from typing import Annotated, Literal

from pydantic import Field

from pipeline.model.archive_actions import FetchArchive, SplitLayer
from pipeline.model.environment import LockedEnvironment
from pipeline.model.environment_actions import (
    FetchPackages,
    MakeChannelLayer,
    MakeInstallerLayer,
    MakeMiniforgeLayer,
    MakeWheelLayer,
    ProveEnvironment,
    StepName,
)
from pipeline.model.frozen import Frozen, Sha256
from pipeline.model.manifest import HealthCheck, LayerRole, Origin, ProofLevel, Upstream
from pipeline.model.model_recipe import ModelRecipe
from pipeline.model.native import SeparationName
from pipeline.model.recipe import Component, LicenseFile, WebUi
from pipeline.model.rehearsal_actions import RehearseLayer
from pipeline.model.source import Source
from pipeline.model.statements import Material, Part
from pipeline.model.toolchain import CrossCompiler, FoundRunner
from pipeline.model.toolkit import DeviceCode, StubLibrary
from pipeline.model.toolkit_actions import MakeRuntimeLayer, MakeToolkit
from pipeline.model.wheel_actions import BuildWheel, ProveWheel


class FetchSource(Frozen):
    """Bring a source tree into the store.

    Attributes:
        source: where it comes from.
        tree_sha256: digest that the plan took of a local tree; None where the source's own pin says what the bytes are.
    """

    kind: Literal["fetch_source"] = "fetch_source"
    source: Source
    tree_sha256: Sha256 | None = None


class FetchModel(Frozen):
    """Bring a smoke-test model into the store."""

    kind: Literal["fetch_model"] = "fetch_model"
    model: ModelRecipe


class BuildWebUi(Frozen):
    """Build the web interface with npm.

    Attributes:
        web_ui: where it is in the source.
        source: step that brings the source.
        node: version of Node.js.
        epoch_seconds: SOURCE_DATE_EPOCH.
    """

    kind: Literal["build_web_ui"] = "build_web_ui"
    web_ui: WebUi
    source: StepName
    node: str
    epoch_seconds: int


class Compile(Frozen):
    """Compile one component with CMake.

    Attributes:
        component: what to compile; its options are complete but for ``pin_options``.
        component_name: for the layer and the screen.
        place: name of the work folder. All components of a release share it, one after the other, because the compiler
            cache compares whole command lines, paths included.
        pin_options: cache entries that upstream reads without declaring them (build number, commit).
        source: step that brings the source.
        web_ui: step that makes the web interface, None when it is off.
        web_ui_place: where in the source its files belong, None when it is off.
        compile_flags: for C and C++.
        link_flags: for the linker.
        toolchain: tool to version; part of the identity.
        epoch_seconds: SOURCE_DATE_EPOCH.
        toolkit: step that makes the accelerator's toolkit; None where there is none, or the system has it.
        toolkit_dir: folder of the system's; its version is in ``toolchain``.
        compilers: ``cc`` and ``cxx`` to paths below the toolkit, where it brings its own.
        space_bytes: free space without which it is not begun.
        toolchain_tree: step that makes the toolchain; None for the machine's own compiler.
        cross: how that toolchain is used; None for the machine's own compiler.
    """

    kind: Literal["compile"] = "compile"
    component: Component
    component_name: str
    place: str
    pin_options: dict[str, str]
    source: StepName
    web_ui: StepName | None = None
    web_ui_place: str | None = None
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    toolchain: dict[str, str]
    epoch_seconds: int
    toolkit: StepName | None = None
    toolkit_dir: str | None = None
    compilers: dict[Literal["cc", "cxx"], str] = {}
    space_bytes: int = 0
    toolchain_tree: StepName | None = None
    cross: CrossCompiler | None = None


class MakeLayer(Frozen):
    """Turn compiled files into a layer: strip, keep debug files apart, add licenses, pack.

    Attributes:
        layer_name: of the layer.
        role: of the layer.
        compiled: step that compiled the files.
        source: step with the license texts.
        licenses: texts to add under ``licenses/``; empty for a layer without any.
        toolchain: of the programs that strip.
        separation: how symbols and debug information leave the files; None for binutils.
        zstd_level: of the archive.
        epoch_seconds: time stamp of every file in the archive.
    """

    kind: Literal["make_layer"] = "make_layer"
    layer_name: str
    role: LayerRole
    compiled: StepName
    source: StepName
    licenses: tuple[LicenseFile, ...]
    toolchain: dict[str, str]
    separation: SeparationName | None = None
    zstd_level: int
    epoch_seconds: int


class Prove(Frozen):
    """Prove a bundle's layers before anything is called done.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        platform: of the target; what is not for this machine's is measured and not run.
        accelerator_kind: of a registered kind.
        layers: steps that made its layers, in order.
        compiled: steps that compiled them, for the flags that were really used; empty for what was fetched.
        level: which proofs.
        insist: whether nothing less will do; else what this machine cannot run is only measured, and that is said.
        health: how: exactly what installations do with it.
        requires_cpu: what the accelerator says it needs; checked against the compiled flags.
        system_libraries: patterns of what the host may bring.
        macos_floor: newest macOS that a file may ask for; None where no macOS is meant.
        glibc_floor: newest glibc that a file may ask for; None where none was promised.
        architectures: GPUs for which it must have code; empty where nothing was asked for.
        device_code: folders below ``bin/`` in which a vendor's library has code for them too.
        software_environment: variables for a machine that has only a device that computes on the processor.
        opens: places in ``layers`` of those whose libraries are opened where no device can run them.
        stubs: what stands in for a driver's libraries then.
        model: step that brings the model; None unless ``level`` is run and no file was given.
        model_file: a model file given by the user, with its digest in ``model_file_sha256``.
        runner: what runs programs of another platform here; None where they run by themselves, or not at all.
    """

    kind: Literal["prove"] = "prove"
    target: str
    platform: str
    accelerator_kind: str
    layers: tuple[StepName, ...]
    compiled: tuple[StepName, ...]
    level: ProofLevel
    insist: bool = False
    health: HealthCheck
    requires_cpu: tuple[str, ...]
    system_libraries: tuple[str, ...]
    macos_floor: str | None = None
    glibc_floor: str | None = None
    architectures: tuple[str, ...] = ()
    device_code: tuple[DeviceCode, ...] = ()
    software_environment: dict[str, str] = {}
    opens: tuple[int, ...] = ()
    stubs: tuple[StubLibrary, ...] = ()
    model: StepName | None = None
    model_file: str | None = None
    model_file_sha256: Sha256 | None = None
    runner: FoundRunner | None = None


class MakeBundle(Frozen):
    """Lay layers together into one self-contained file and write the manifest entry.

    Attributes:
        engine: of the target.
        platform: of the target.
        accel: of the target.
        version: as upstream calls it.
        origin: how it comes to be.
        upstream: which release of upstream's it is.
        entry_points: program name to path within the bundle.
        health: how an installation checks itself; None for a rehearsal.
        licenses: SPDX identifiers, sorted.
        layers: steps, in the order in which the layers are laid over each other.
        proof: step; None for a rehearsal.
        compiled: steps, for the options that were set; empty for what was fetched.
        archives: steps that fetched upstream's archives; empty for what was built.
        materials: what it is built from, for its provenance; empty for what was fetched.
        parts: what is compiled into the engine, for its bill of materials.
        runtime_licenses: SPDX identifiers of a vendor's runtime.
        environment: what an assembled bundle is made of; None for any other.
        builder_version: of this program.
        epoch_seconds: time stamp of files in the archive.
        rehearsal: whether there is no engine in it.
    """

    kind: Literal["make_bundle"] = "make_bundle"
    engine: str
    platform: str
    accel: str
    version: str
    origin: Origin
    upstream: Upstream
    entry_points: dict[str, str]
    health: HealthCheck | None
    licenses: tuple[str, ...]
    layers: tuple[StepName, ...]
    proof: StepName | None
    compiled: tuple[StepName, ...]
    archives: tuple[StepName, ...] = ()
    materials: tuple[Material, ...] = ()
    parts: tuple[Part, ...] = ()
    runtime_licenses: tuple[str, ...] = ()
    environment: LockedEnvironment | None = None
    builder_version: str = ""
    epoch_seconds: int
    rehearsal: bool = Field(default=False, exclude_if=not_)


Action = Annotated[
    FetchSource
    | FetchModel
    | FetchArchive
    | FetchPackages
    | BuildWebUi
    | Compile
    | MakeLayer
    | SplitLayer
    | MakeChannelLayer
    | MakeMiniforgeLayer
    | MakeWheelLayer
    | MakeInstallerLayer
    | MakeToolkit
    | MakeRuntimeLayer
    | Prove
    | ProveEnvironment
    | RehearseLayer
    | MakeBundle
    | BuildWheel
    | ProveWheel,
    Field(discriminator="kind"),
]
