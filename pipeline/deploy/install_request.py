"""What an installation is asked for, and what that means of what a repository offers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.deploy.choosing import Wish, pick
from pipeline.deploy.given_files import GivenFiles, recognise
from pipeline.deploy.health import HealthWish
from pipeline.deploy.layout import Layout
from pipeline.deploy.offering import offered_by, revoked_by
from pipeline.deploy.pins import Pin, pin_of, require_pinned
from pipeline.deploy.revoked import in_words
from pipeline.deploy.steps import warn
from pipeline.errors import IntegrityError, NothingSelectedError, RehearsalError
from pipeline.names import is_older

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.deploy.trust import TrustedRepository
    from pipeline.model.installation import Pointer
    from pipeline.model.manifest import Artifact
    from pipeline.model.revocation import Revocation
    from pipeline.model.selection import Selection
    from pipeline.ports import Services


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """What to install where.

    Attributes:
        location: of the repository: folder, or file:, http: or https: url; None for what is kept of it below ``root``.
        root: of the installation; made when it is not there.
        trusted_root: root metadata that trust starts from.
        target: full or without its engine; None takes what fits this host best.
        version: None takes the newest.
        engine: needed where several are offered and ``target`` does not say it.
        files: archives at hand: bundles or layers; what is in them is not downloaded.
        with_debug: debug files too.
        repair: read every file again before calling anything installed.
        keep: generations to keep, at least 2.
        dry_run: change nothing but what is remembered of the repository's metadata.
        check_host: refuse what cannot run here.
        require_accel: refuse what computes on the processor.
        health: how what is installed is checked before it becomes current.
        pins: engine to the version that the project file holds it at.
        unpin: let the engine go that the installation holds at a version.
        rehearsal: take a rehearsal, and nothing else.
        python: the Python to use for a bundle that brings none; None takes the host's of the right version.
        deltas: make layers of those that are there where the repository has what that takes.
    """

    location: str | None
    root: Path
    trusted_root: bytes
    target: str | None = None
    version: str | None = None
    engine: str | None = None
    files: tuple[Path, ...] = ()
    with_debug: bool = False
    repair: bool = False
    keep: int = 3
    dry_run: bool = False
    check_host: bool = True
    require_accel: bool = False
    health: HealthWish = field(default_factory=HealthWish)
    pins: Mapping[str, str] = field(default_factory=dict)
    unpin: bool = False
    rehearsal: bool = False
    python: Path | None = None
    deltas: bool = True


@dataclass(frozen=True, slots=True)
class Resolved:
    """What will be installed.

    Attributes:
        artifact: of a signed manifest.
        selection: why this one; None where a target was typed.
        given: files that its layers are in.
        pin: what holds the engine at its version, None when nothing does.
        revoked: what the publisher has withdrawn, by the bundle's sha256.
        passed_over: newer versions that would have been taken if they were not withdrawn, with the reason.
    """

    artifact: Artifact
    selection: Selection | None
    given: GivenFiles
    pin: Pin | None = None
    revoked: Mapping[str, Revocation] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()


def resolve(request: InstallRequest, repository: TrustedRepository, services: Services) -> Resolved:
    """Find the artifact that is meant: by its name, by the files that are given, or by the host.

    Raises:
        UsageError, NothingSelectedError, HostError, NoAcceleratorError: as ``choosing.pick``.
        UsageError: the engine is pinned to another version than is meant.
        RehearsalError: it is a rehearsal and that was not asked for, or it is none and it was.
        RevokedError: nothing else is meant than what the publisher has withdrawn.
        NothingSelectedError: it is pinned to a version that is not offered.
        IntegrityError: a given file is nothing that is signed.
        TrustError, NetworkError, OfflineError: the manifest cannot be had.
    """
    engine, slash, _ = (request.target or "").partition("/")
    offered = offered_by(repository, engine=engine if slash else request.engine)
    given = recognise(request.files, offered) if request.files else GivenFiles()
    revoked = revoked_by(repository, sorted({artifact.engine for artifact in offered}))
    held = _pins(request, offered)
    artifacts = given.narrow(offered)
    narrowed = len(artifacts) < len(offered)
    if request.version is None:
        artifacts = _held(artifacts, held)
    target = request.target
    if target is None and request.files:
        named = {artifact.target for artifact in artifacts}
        target = named.pop() if len(named) == 1 else None
    wish = Wish(
        target=target,
        version=request.version,
        engine=request.engine,
        check_host=request.check_host,
        require_accel=request.require_accel,
        from_files=request.target is None and target is not None,
        narrowed=narrowed,
    )
    artifact, selection = pick(artifacts, wish, services.host, listed=offered, revoked=revoked)
    _require_kind(artifact, rehearsal=request.rehearsal)
    pin = held.get(artifact.engine)
    require_pinned(pin, artifact.version)
    for warning in selection.warnings if selection else ():
        warn(services, warning)
    newer = (a for a in artifacts if a.target == artifact.target and is_older(artifact.version, a.version))
    passed_over = tuple(in_words(revoked[a.sha256]) for a in newer if request.version is None and a.sha256 in revoked)
    for line in passed_over:
        warn(services, f"{line}; it is passed over")
    return Resolved(artifact, selection, given, pin, revoked, passed_over)


def _require_kind(artifact: Artifact, *, rehearsal: bool) -> None:
    """Refuse a rehearsal that nobody asked for; the mark is in the signed manifest."""
    name = f"{artifact.target} {artifact.version}"
    if artifact.rehearsal and not rehearsal:
        raise RehearsalError(
            f"{name} is a rehearsal: there is no engine in it",
            hint="install from the repository of real bundles; to try the installation itself, add --rehearsal",
        )
    if rehearsal and not artifact.rehearsal:
        raise RehearsalError(f"{name} is no rehearsal", hint="leave --rehearsal out to install it")


def _pins(request: InstallRequest, offered: Sequence[Artifact]) -> dict[str, Pin]:
    layout = Layout(request.root)
    engines = sorted({artifact.engine for artifact in offered})
    found = ((engine, pin_of(layout, engine, request.pins, own_counts=not request.unpin)) for engine in engines)
    return {engine: pin for engine, pin in found if pin}


def _held(artifacts: Sequence[Artifact], held: Mapping[str, Pin]) -> list[Artifact]:
    """Return what the pins leave.

    Raises:
        NothingSelectedError: they leave nothing.
    """
    left = [a for a in artifacts if a.engine not in held or a.version == held[a.engine].version]
    if artifacts and not left:
        pin = held[artifacts[0].engine]
        raise NothingSelectedError(
            f"{pin.engine} is pinned to {pin.version}, which is not among what is offered", hint=pin.remedy
        )
    return left


def previous_revoked(layout: Layout, pointer: Pointer | None, resolved: Resolved, services: Services) -> str | None:
    """Return what is said against what was current until now, and warn of it; None when nothing is."""
    with suppress(IntegrityError):
        before = pointer and layout.generation(pointer.engine, pointer.generation)
        if before and (said := resolved.revoked.get(before.artifact.sha256)):
            warn(services, f"{in_words(said)}; it was current until now")
            return in_words(said)
    return None
