"""Steps of an accelerator's toolkit: its packages, the folder made of them, the layer of what bundles bring of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pipeline.accelerators.registry import KINDS
from pipeline.model.environment_actions import FetchPackages, PackageFile
from pipeline.model.statements import Material
from pipeline.model.time_stamps import LASTING_EPOCH_SECONDS
from pipeline.model.toolkit_actions import MakeRuntimeLayer, MakeToolkit
from pipeline.names import accel_version
from pipeline.plan.fetching import runtime_zstd_level
from pipeline.plan.toolkits import architectures_of

if TYPE_CHECKING:
    from pipeline.model.toolkit import FoundToolkit, PackagedToolkit, Toolkit
    from pipeline.names import Target
    from pipeline.plan.collecting import Planning


@dataclass(frozen=True, slots=True)
class ToolkitSteps:
    """What a component is compiled with beside a compiler.

    Attributes:
        step: that makes the toolkit of packages; None for one of the system's, or none.
        folder: of the system's.
        versions: for the toolchain of the manifest.
        compilers: ``cc`` and ``cxx`` to paths below it.
        architectures: GPUs to compile for.
        spelt: the same as CMake wants them.
        runtime_layer: step; None where bundles bring nothing of it.
        materials: what the toolkit is made of.
    """

    step: str | None = None
    folder: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    compilers: dict[Literal["cc", "cxx"], str] = field(default_factory=dict)
    architectures: tuple[str, ...] = ()
    spelt: str = ""
    runtime_layer: str | None = None
    materials: tuple[Material, ...] = ()


NO_TOOLKIT = ToolkitSteps()


def toolkit_steps(planning: Planning, target: Target) -> ToolkitSteps:
    """Add the steps of a target's toolkit, each once for all targets; nothing where it needs none.

    Raises:
        UsageError: an architecture was asked for that the toolkit does not compile for.
    """
    accelerator = planning.catalog.accelerator(target.accel)
    toolkit = accelerator.toolkit
    if toolkit is None:
        return NO_TOOLKIT
    found = planning.inputs.toolkits[str(target)]
    packaged = None
    if found.origin == "packaged":
        packaged = toolkit.packages_for(found.version, planning.inputs.platform)
    step = None if packaged is None else _make(planning, target, toolkit, packaged)
    runtime = (
        toolkit.runtime.packages_for(accel_version(target.accel), planning.inputs.platform) if toolkit.runtime else None
    )
    architectures = architectures_of(
        accelerator, planning.request.architectures, accel=target.accel, version=found.version
    )
    return ToolkitSteps(
        step=step,
        folder=found.path,
        versions=_versions(accelerator.name, found),
        compilers=_compilers(toolkit),
        architectures=architectures,
        spelt=KINDS[accelerator.kind].spell_architectures(architectures),
        runtime_layer=_runtime_layer(planning, target, toolkit, found, step, architectures),
        materials=(*(materials_of(packaged) if packaged else ()), *(materials_of(runtime) if runtime else ())),
    )


def _versions(name: str, found: FoundToolkit) -> dict[str, str]:
    """Return what is known of a toolkit, for the key and the manifest; of packages the digests are in the key."""
    if found.origin == "packaged":
        return {name: found.version}
    return {name: f"{found.version} of the system", **({f"{name} compiler": found.program} if found.program else {})}


def _compilers(toolkit: Toolkit) -> dict[Literal["cc", "cxx"], str]:
    compilers: dict[Literal["cc", "cxx"], str] = {}
    if toolkit.cc:
        compilers["cc"] = toolkit.cc
    if toolkit.cxx:
        compilers["cxx"] = toolkit.cxx
    return compilers


def _make(
    planning: Planning, target: Target, toolkit: Toolkit, packaged: PackagedToolkit, what: str = "toolkit"
) -> str:
    compiler = planning.inputs.tools["cc"]
    toolchain = {"cc": f"{compiler.vendor} {compiler.version}".strip()} if packaged.stubs else {}
    title = f"{toolkit.title} {packaged.version}"
    return make_packaged(planning, target, title, packaged, of=target.accel, toolchain=toolchain, what=what)


def make_packaged(
    planning: Planning,
    target: Target,
    title: str,
    packaged: PackagedToolkit,
    *,
    of: str,
    toolchain: dict[str, str],
    what: str = "toolkit",
) -> str:
    """Add the steps that bring packages and make one folder of them; return the last.

    Args:
        planning: to add them to.
        target: that needs it.
        title: for people, with the version.
        packaged: what.
        of: accelerator or toolchain that it is of.
        toolchain: of the compiler that makes stub libraries.
        what: it is, for the names of the steps: a toolkit, or a runtime apart from one.
    """
    fetch = FetchPackages(
        environment=of,
        platform=packaged.platform,
        what="toolkit",
        files=tuple(
            PackageFile(
                filename=wheel.filename, sha256=wheel.sha256, size_bytes=wheel.size_bytes, project=wheel.project
            )
            for wheel in packaged.wheels
        ),
    )
    size = sum(wheel.size_bytes for wheel in packaged.wheels)
    name = f"fetch packages of {'' if what == 'toolkit' else f'the {what} of '}{title} for {packaged.platform}"
    fetched = planning.add(target, name, fetch, (), download_bytes=size)
    action = MakeToolkit(title=title, fetched=fetched, packaged=packaged, toolchain=toolchain)
    return planning.add(target, f"{what} {title} for {packaged.platform}", action, (fetched,))


def _runtime_layer(
    planning: Planning, target: Target, toolkit: Toolkit, found: FoundToolkit, step: str | None, gpus: tuple[str, ...]
) -> str | None:
    """Add the layer of what bundles bring of a toolkit, from packages of its own where the recipe has some."""
    runtime = toolkit.runtime
    if runtime is None:
        return None
    version, folder = found.version, found.path
    if (packaged := runtime.packages_for(accel_version(target.accel), planning.inputs.platform)) is not None:
        step, version, folder = _make(planning, target, toolkit, packaged, what="runtime"), packaged.version, None
    action = MakeRuntimeLayer(
        layer_name=f"{target.accel}-runtime",
        title=f"{toolkit.title} {version}",
        libraries=runtime.model_copy(update={"packaged": ()}),  # their digests are in the key of the step that makes it
        architectures=gpus if runtime.device_code else (),
        toolkit=step,
        toolkit_dir=folder,
        system_sha256=found.runtime_sha256,
        zstd_level=runtime_zstd_level(planning),
        epoch_seconds=LASTING_EPOCH_SECONDS,  # one layer of everybody's builds, whatever is asked for
    )
    name = f"layer {target.accel}-runtime of {toolkit.title} {version} for {target.platform}"
    return planning.add(target, name, action, (step,) if step else ())


def materials_of(packaged: PackagedToolkit, *, used_by: str = "toolkit") -> list[Material]:
    """Return packages as provenance lists them."""
    return [
        Material(
            uri=f"pkg:pypi/{wheel.project}@{wheel.version}",
            name=wheel.filename,
            digest={"sha256": wheel.sha256},
            annotations={"usedBy": used_by},
        )
        for wheel in packaged.wheels
    ]
