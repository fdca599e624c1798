"""Drilling a mirror: everything that it holds for this platform, installed and run with no network at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.drill_commands import DrillCommands
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.offering import offered_by, revoked_by
from pipeline.deploy.revoked import in_words
from pipeline.deploy.trust import TrustedRepository
from pipeline.errors import HostError, NoSpaceError, NothingSelectedError, UsageError
from pipeline.model.drill import DrillReport, DrillRow
from pipeline.model.repository_layout import blob_path
from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.deploy.mirror.drill_commands import CutOff
    from pipeline.model.drill import DrillState
    from pipeline.model.manifest import Artifact, ProofLevel
    from pipeline.ports import Disk, DrillGround, Services

_HOST_LACKS = HostError.exit_code


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What to drill.

    Attributes:
        mirror: its folder.
        trusted_root: root metadata that trust starts from.
        level: ``load`` starts the programs, ``run`` has a model answer as well.
        model: for ``run``, of engines that do not make one themselves; None takes one that the mirror holds.
        scratch: folder below which everything happens.
        package_dir: what the interpreter must look in to find this program.
    """

    mirror: Path
    trusted_root: bytes
    level: ProofLevel
    model: Path | None
    scratch: Path
    package_dir: Path


def drill(request: DrillRequest, *, services: Services, disk: Disk, ground: DrillGround) -> DrillReport:
    """Install the newest version of every target of this platform, and run each, cut off from all networks.

    Each is installed into a root of its own by the command line in a process of its own; where the mirror has wheels,
    by a program that was itself installed from them alone.

    Raises:
        NothingSelectedError: the mirror holds nothing for this platform, or nothing that is not revoked.
        HostError: a process cannot be cut off from the network here.
        UsageError: ``run`` is asked for and there is no model.
        TrustError, IntegrityError: the mirror cannot be trusted or is damaged.
        ProofError: the mirror's own wheels cannot be installed.
        NoSpaceError: there is no room for the largest target.
    """
    began = services.clock.monotonic()
    with ground.folder(request.scratch) as folder:
        artifacts, revoked = _held(request, folder / "trust", services, disk)
        model = _model(request, artifacts)
        largest = max(artifact.installed_size + artifact.size for artifact in artifacts)
        if services.host.free_bytes(folder) < 2 * largest:
            raise NoSpaceError(f"{request.scratch} has no room for {2 * largest} bytes", hint="choose --cache-dir")
        commands = DrillCommands(folder, package_dir=request.package_dir, services=services, disk=disk, ground=ground)
        isolation = commands.look_around()
        installer = commands.install_program(request.mirror)
        (folder / "root.json").write_bytes(request.trusted_root)
        rows = [_drill(artifact, request, commands, model=model) for artifact in artifacts]
    return DrillReport(
        mirror=str(request.mirror),
        platform=services.host.facts().platform,
        isolation=isolation,
        health=request.level,
        installer=installer,
        rows=tuple(rows),
        revoked=revoked,
        seconds=services.clock.monotonic() - began,
    )


def _model(request: DrillRequest, artifacts: Iterable[Artifact]) -> Path | None:
    if request.level != "run" or all(_makes_a_model(artifact) for artifact in artifacts):
        return None
    if request.model is not None:
        return request.model
    document = MirrorLayout(request.mirror).document()
    for held in document.models if document else ():
        return MirrorLayout(request.mirror).models_dir / held.filename
    raise UsageError(f"{request.mirror} holds no model", hint="give one with --health-model, or drill --health load")


def _makes_a_model(artifact: Artifact) -> bool:
    return artifact.health is not None and bool(artifact.health.model_args)


def _held(
    request: DrillRequest, state_dir: Path, services: Services, disk: Disk
) -> tuple[list[Artifact], tuple[str, ...]]:
    """Return the newest version of each target for this platform that the mirror has all layers of; and the revoked."""
    platform = services.host.facts().platform
    with TrustedRepository.open(
        str(request.mirror), state_dir=state_dir, trusted_root=request.trusted_root, services=services, disk=disk
    ) as repository:
        held = [
            artifact
            for artifact in offered_by(repository)
            if artifact.platform == platform and _is_whole(artifact, request.mirror)
        ]
        revoked = revoked_by(repository, (artifact.engine for artifact in held))
    newest: dict[str, Artifact] = {}
    for artifact in held:
        before = newest.get(artifact.target)
        is_newer = before is None or version_key(artifact.version) > version_key(before.version)
        if artifact.sha256 not in revoked and is_newer:
            newest[artifact.target] = artifact
    said = tuple(in_words(revoked[artifact.sha256]) for artifact in held if artifact.sha256 in revoked)
    if not newest and said:
        raise NothingSelectedError(
            f"every build for {platform} that {request.mirror} holds was revoked: {'; '.join(said)}",
            hint="`mirror sync` brings what replaces them, once it is published",
        )
    if not newest:
        raise NothingSelectedError(f"{request.mirror} holds nothing for {platform}", hint="drill it on another machine")
    return [newest[target] for target in sorted(newest)], said


def _is_whole(artifact: Artifact, mirror: Path) -> bool:
    return all((mirror / blob_path(layer.sha256)).is_file() for layer in artifact.layers if not layer.optional)


def _drill(artifact: Artifact, request: DrillRequest, commands: DrillCommands, *, model: Path | None) -> DrillRow:
    given = () if model is None or _makes_a_model(artifact) else ("--health-model", str(model))
    kind = ("--rehearsal",) if artifact.rehearsal else ()
    with commands.root() as root:
        done = commands.install(artifact, request.mirror, root, "--health", request.level, *given, *kind)
        lacks = ""
        if done.exit_code == _HOST_LACKS:
            lacks = done.message
            done = commands.install(artifact, request.mirror, root, "--no-check-host", "--health", "none", *kind)
        outcome, detail = _judge(artifact, done, lacks, commands)
    devices = done.health.get("devices")
    return DrillRow(
        target=artifact.target,
        version=artifact.version,
        bytes=0 if done.exit_code else artifact.installed_size,
        seconds=done.seconds,
        devices=tuple(map(str, devices)) if isinstance(devices, list) else (),
        outcome=outcome,
        detail=detail,
    )


def _judge(artifact: Artifact, done: CutOff, lacks: str, commands: DrillCommands) -> tuple[DrillState, str]:
    """Return what came of an installation, and what there is to say about it."""
    if done.exit_code == _HOST_LACKS and artifact.environment is not None and artifact.environment.base == "host":
        return "lacking", done.message
    if done.exit_code or not done.document:
        return "failed", done.message if done.exit_code else f"it printed no result: {done.message}"
    if lacks or artifact.rehearsal:
        no_engine = "a rehearsal: there is no engine in it to run"
        return "installed", no_engine if artifact.rehearsal else f"this machine cannot run it: {lacks}"
    if done.health.get("passed"):
        return "ran", str(done.health.get("version") or "")
    # Its manifest entry does not say how it is checked: its program is started.
    started = commands.start(next(iter(done.programs.values()), None))
    if started is None:
        return "failed", "it has no program"
    return "ran" if started.exit_code == 0 else "failed", started.message
