"""Makes wheels of finished bundles: layers in, one wheel each out, with the same files and the same digests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.builders import scikit_build
from pipeline.builders.wheel_backend import deliver_wheel, make_wheel
from pipeline.builders.wheel_naming import (
    beyond_tag,
    needed_symbols,
    package_name,
    platform_tag,
    project_name,
    project_version,
)
from pipeline.composing import compose
from pipeline.digest import require_digest
from pipeline.errors import IntegrityError, NothingSelectedError, UsageError
from pipeline.events import StepFinished, StepStarted
from pipeline.model.counts import counted, sized
from pipeline.model.manifest_document import read_manifest
from pipeline.model.wheel_record import RecordedLayer, WheelRecord
from pipeline.names import parse_target
from pipeline.target_names import select_targets
from pipeline.wheels.checking import require_files
from pipeline.wheels.placing import installed_names
from pipeline.wheels.project import write_project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.model.tree import Tree
    from pipeline.ports import Services

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class EngineWheel:
    """One wheel that was made.

    Attributes:
        target: of the bundle.
        project: that pip installs.
        version: of the bundle, as upstream calls it.
        path: of the wheel.
        sha256: of it.
        size_bytes: of it.
        tree_sha256: of the engine's files, as an installation of the bundle has them.
        beyond_tag: libraries that a host must bring although its tag does not promise them.
    """

    target: str
    project: str
    version: str
    path: Path
    sha256: str
    size_bytes: int
    tree_sha256: str
    beyond_tag: tuple[str, ...] = ()


def choose(manifest: Manifest, patterns: Sequence[str]) -> tuple[Artifact, ...]:
    """Return the bundles that are asked for; without patterns all that can be wheels.

    Raises:
        UsageError: a pattern names none, or one that can be no wheel.
        NothingSelectedError: there is none.
    """
    offered = {parse_target(artifact.target) for artifact in manifest.artifacts}
    wanted = {str(target) for target in select_targets(tuple(patterns), tuple(sorted(offered)))} if patterns else None
    chosen = [found for found in manifest.artifacts if wanted is None or found.target in wanted]
    environments = [found for found in chosen if found.environment is not None]
    if environments and wanted is not None:
        raise UsageError(
            f"{environments[0].target} is a Python environment and no engine's programs: it is made of wheels already",
            hint="install it with `install`, or its locked wheels with pip (docs/mlx.md)",
        )
    if any(found.rehearsal for found in chosen):
        raise UsageError(
            "these bundles are a rehearsal: there is no engine in them that a wheel could bring",
            hint="build the real ones, without --rehearsal",
        )
    chosen = [found for found in chosen if found.environment is None]
    if not chosen:
        raise NothingSelectedError("no bundle there can be a wheel", hint="`build` makes bundles of engines")
    return tuple(chosen)


def read_offer(folder: Path) -> Manifest:
    """Read the manifest of a dist folder.

    Raises:
        UsageError: there is none.
        IntegrityError: it is malformed.
    """
    try:
        data = (folder / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{folder} has no {MANIFEST_FILE}: {error.strerror}", hint="`build --output DIR` writes one"
        ) from error
    return read_manifest(data, what=str(folder / MANIFEST_FILE))


def wheel_name(artifact: Artifact, symbols: Sequence[str]) -> str:
    """Return what the wheel of a bundle is called, whose files need these versions of symbols.

    Raises:
        UsageError: no tag or version is true of it.
    """
    package = package_name(project_name(artifact.engine, artifact.accel))
    tag = platform_tag(artifact.platform, symbols=symbols, macos=artifact.requires.macos)
    return f"{package}-{project_version(artifact.version)}-py3-none-{tag}.whl"


def pack(artifact: Artifact, folder: Path, services: Services, output_dir: Path, *, epoch_seconds: int) -> EngineWheel:
    """Make the wheel of one bundle; nothing is written into ``output_dir`` before it is whole and was read again.

    Args:
        artifact: entry of the manifest in ``folder``.
        folder: dist folder that has its layers.
        services: to unpack, read, run and keep work with.
        output_dir: for the wheel; made when it is not there. The very same wheel there stays.
        epoch_seconds: time stamp of every file in it.

    Raises:
        IntegrityError: a layer is missing or not what the manifest says, or another wheel of that name is there.
        UsageError: no tag or version is true of it, or it has links that no wheel can have.
        HostError: scikit-build-core is not installed, or the folder cannot be written.
        BuildError: the backend failed.
    """
    name = f"wheel {artifact.target} {artifact.version}"
    project = project_name(artifact.engine, artifact.accel)
    project_version(artifact.version)
    services.events.emit(StepStarted(name, "asked for"))
    started = services.clock.monotonic()
    with services.store.work_dir(f"wheel-{artifact.sha256[:20]}") as work:
        record, symbols = _lay(artifact, folder, services, work)
        filename = wheel_name(artifact, symbols)
        source = work / "project"
        source.mkdir()
        write_project(source, record, work / "tree")
        environment = scikit_build.environment(services.base_env, epoch_seconds=epoch_seconds)
        log_path = services.store.log_path(name)
        settings = {"wheel.tags": filename.removesuffix(".whl").split("-", 2)[2]}
        wheel = make_wheel(services, source, work, settings, environment=environment, log_path=log_path)
        if wheel.name != filename:
            raise IntegrityError(f"scikit-build-core made {wheel.name} instead of {filename}", hint="this is a bug")
        package = package_name(project)
        require_files(wheel, {f"{package}/tree/{place}": work / "tree" / place for place in record.installed})
        path, sha256, size_bytes = deliver_wheel(wheel, output_dir, services)
        beyond = beyond_tag(artifact.platform, artifact.requires.libraries)
        made = EngineWheel(
            artifact.target, project, artifact.version, path, sha256, size_bytes, record.tree_sha256, beyond
        )
    count = counted(len(record.installed), "file")
    told = f"{made.path.name}: {sized(made.size_bytes)}, {count}"
    services.events.emit(StepFinished(name, services.clock.monotonic() - started, told))
    return made


def _lay(artifact: Artifact, folder: Path, services: Services, work: Path) -> tuple[WheelRecord, tuple[str, ...]]:
    """Unpack the layers into ``work/tree`` as they will lie in the wheel.

    Returns what the wheel says of itself, and the symbol versions that its files need.
    """
    tree_dir = work / "tree"
    layers: list[tuple[str, Tree]] = []
    parts: dict[str, Path] = {}
    for number, layer in enumerate(found for found in artifact.layers if found.is_installed(with_debug=False)):
        archive = folder / layer.url
        if ":" in layer.url or not archive.is_file():
            raise IntegrityError(f"{archive} is named by the manifest and is not there", hint="build it again")
        part = work / f"layer-{number}"
        tree = services.archiver.unpack_signed(archive, part, sha256=layer.sha256, files_bytes=layer.installed_size)
        require_digest(what=f"files of layer {layer.name}", expected=layer.tree_sha256, found=tree.sha256)
        layers.append((layer.name, tree))
        parts |= {entry.path: part for entry in tree.entries}
    whole, _ = compose([(tree.sha256, tree) for _, tree in layers])
    cards = {}
    for entry in whole.entries:
        if entry.link is None and (card := services.binaries.inspect(parts[entry.path] / entry.path)):
            cards[entry.path] = card
    installed = installed_names(whole, cards, programs=set(artifact.entry_points.values()))
    for place, path in installed.items():
        (tree_dir / place).parent.mkdir(parents=True, exist_ok=True)
        os.link(parts[path] / path, tree_dir / place)
    record = WheelRecord(
        schema_version=1,
        engine=artifact.engine,
        platform=artifact.platform,
        accel=artifact.accel,
        version=artifact.version,
        bundle_sha256=artifact.sha256,
        tree_sha256=whole.sha256,
        layers=tuple(RecordedLayer(name=name, tree_sha256=tree.sha256, files=tree.entries) for name, tree in layers),
        installed=installed,
        programs=artifact.entry_points,
        host_libraries=artifact.requires.libraries,
        licenses=artifact.licenses,
    )
    return record, needed_symbols(cards.values())
