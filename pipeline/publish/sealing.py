"""Sealing: a lane over the blobs of a mirror, signed for months, for places that no refresh reaches.

The lane's manifests list what the mirror holds and nothing else. Its keys are made for it (``keys init --lane``), and
its root is what machines there are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.metadata import TargetFile

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.events import Notice
from pipeline.model.counts import counted
from pipeline.model.manifest_document import write_manifest
from pipeline.model.mirror_content import SealOutcome
from pipeline.model.repository_layout import (
    BUILDERS_FIELD,
    NAME_FIELD,
    blob_path,
    blob_target,
    delegated_role,
    manifest_target,
    revocations_target,
    role_of_filename,
)
from pipeline.publish.signing import Lifetimes, moment, sign_changes
from pipeline.publish.state import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.mirror_content import MirrorContent
    from pipeline.model.publication import RoleName
    from pipeline.ports import Disk, Services
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.signing import NewMetadata
    from pipeline.publish.state import RepositoryState

SHORTEST_DAYS, LONGEST_DAYS = 90, 180
_POLICY_DAYS = 365


def require_days(days: int) -> int:
    """Return ``days`` if a lane may live so long.

    Raises:
        UsageError: it may not, and why.
    """
    if days < SHORTEST_DAYS:
        raise UsageError(
            f"a lane of {counted(days, 'day')} is too short: machines that no refresh reaches would stop installing",
            hint=f"choose {SHORTEST_DAYS} to {LONGEST_DAYS} days",
        )
    if days > LONGEST_DAYS:
        raise UsageError(
            f"a lane of {counted(days, 'day')} is too long: who holds it back would hide revoked builds so long",
            hint=f"choose {SHORTEST_DAYS} to {LONGEST_DAYS} days, and carry a newly sealed mirror in time",
        )
    return days


def seal(  # noqa: PLR0913 - what is sealed, where, and with what
    content: MirrorContent,
    *,
    folder: Path,
    staging_dir: Path,
    keys: KeyFolder,
    days: int,
    services: Services,
    disk: Disk,
    now: int,
    dry_run: bool = False,
    allow_development: bool = False,
    anew: bool = False,
) -> SealOutcome:
    """Sign a lane over what a mirror holds; doing it again changes nothing until a third of its life is gone.

    Args:
        content: what is held, taken from the publisher's verified metadata.
        folder: of the mirror; nobody else changes it meanwhile.
        staging_dir: on its file system.
        keys: of the lane.
        days: how long the lane holds, ``SHORTEST_DAYS`` to ``LONGEST_DAYS``.
        services: for events.
        disk: how files are written.
        now: seconds since 1970, from which lifetimes count.
        dry_run: check and tell, change nothing.
        allow_development: sign with development keys too.
        anew: sign all of the lane again, above every version that is there: its metadata is damaged.

    Raises:
        UsageError: the keys are no lane's, or ``days`` is out of range.
        TrustError: the lane was signed by other keys or changed after signing, a key cannot be opened, or the keys are
            development keys and nobody allowed that.
        IntegrityError: the lane's metadata, or a file that is to be sealed, is damaged.
        HostError, NoSpaceError: the folder cannot be written.
    """
    lane = _lane_of(keys, allow_development=allow_development)
    require_days(days)
    _require_files(content, folder)
    state = read_state(folder, trusted_root=keys.root, roots=keys.roots, anew=anew)
    documents, targets = _lists(content)
    fields = {BUILDERS_FIELD: _builders(content)}
    signed = sign_changes(state, targets, keys=keys, now=moment(now), lifetimes=_lifetimes(days), fields=fields)
    if not dry_run:
        _write(state, signed, documents, folder=folder, staging_dir=staging_dir, disk=disk)
        if anew:
            _drop_others(state.metadata_dir, {metadata.filename for metadata in signed}, disk)
    outcome = _outcome(content, state, signed, folder=folder, lane=lane, dry_run=dry_run)
    _warn_of_root(outcome, services)
    return outcome.model_copy(update={"development": keys.listing.development})


def _warn_of_root(outcome: SealOutcome, services: Services) -> None:
    if outcome.expires["root"] < outcome.expires["timestamp"]:
        text = f"the lane's root expires {outcome.expires['root']}, before the lane: machines stop then"
        services.events.emit(Notice(f"{text}; `keys rotate` makes a newer one", "warning"))


def _lifetimes(days: int) -> Lifetimes:
    """Return lifetimes in which nothing ends before the lane does; what is changed by hand lives as in repositories."""
    machine: tuple[RoleName, ...] = ("engines", "snapshot", "timestamp")
    return Lifetimes(
        {"root": _POLICY_DAYS, "targets": _POLICY_DAYS, **dict.fromkeys(machine, days)}, renewed_below=2 / 3
    )


def _lane_of(keys: KeyFolder, *, allow_development: bool) -> str:
    """Return the lane that keys are of, after checking that they may sign."""
    lane = keys.listing.lane
    if lane is None:
        raise UsageError(
            f"the keys in {keys.folder} are a repository's, and a lane has keys of its own",
            hint="`keys init --lane airgap --keys DIR` makes them",
        )
    if keys.listing.development and not allow_development:
        raise TrustError(
            f"the keys in {keys.folder} are development keys: one machine alone can sign anything with them",
            hint="--allow-development seals with them all the same, to try things out",
        )
    return lane


def _require_files(content: MirrorContent, folder: Path) -> None:
    """Look at every file that is to be sealed; whoever seals has verified their bytes a moment ago."""
    for engine in content.engines:
        for sha256 in engine.held:
            path = folder / blob_path(sha256)
            if not path.is_file() or path.stat().st_size != engine.files[sha256]:
                raise IntegrityError(
                    f"{path} is not there as it was signed", hint="`mirror sync` brings it; then seal again"
                )


def _lists(content: MirrorContent) -> tuple[dict[str, bytes], dict[str, TargetFile]]:
    """Return the lane's manifests by digest, and every target by its path."""
    documents: dict[str, bytes] = {}
    targets: dict[str, TargetFile] = {}
    for sealed in content.engines:
        data = write_manifest(sealed.artifacts, release=sealed.release, created=sealed.created)
        documents[sha256_bytes(data)] = data
        path = manifest_target(sealed.engine, sealed.folder)
        targets[path] = _target(path, sha256_bytes(data), len(data), "manifest.json")
        deltas = {sha256: path for path, sha256 in sealed.deltas.items()}
        for sha256, size in sealed.files.items():
            if sha256 == sealed.revocations:
                path = revocations_target(sealed.engine, sealed.folder)
                targets[path] = _target(path, sha256, size, "revocations.json")
            else:
                path = deltas.get(sha256) or blob_target(sealed.engine, sha256, sealed.folder)
                targets[path] = _target(path, sha256, size, sha256)
    return documents, dict(sorted(targets.items()))


def _target(path: str, sha256: str, size: int, name: str) -> TargetFile:
    return TargetFile(size, {"sha256": sha256}, path, {"custom": {NAME_FIELD: name}})


def _builders(content: MirrorContent) -> dict[str, object]:
    """Return who signs the publisher's statements, by the lane's role for the engine."""
    return {
        delegated_role(sealed.engine, sealed.folder): {"threshold": sealed.threshold, "keys": dict(sealed.keys)}
        for sealed in content.engines
    }


def _write(
    state: RepositoryState,
    signed: tuple[NewMetadata, ...],
    documents: dict[str, bytes],
    *,
    folder: Path,
    staging_dir: Path,
    disk: Disk,
) -> None:
    """Put manifests in place, then metadata, the timestamp last."""
    for sha256, data in documents.items():
        path = folder / blob_path(sha256)
        if not path.is_file() or path.read_bytes() != data:
            disk.make_dirs(path.parent)
            disk.replace_file(path, data, staging_dir=staging_dir)
    disk.make_dirs(state.metadata_dir)
    for metadata in signed:
        disk.replace_file(state.metadata_dir / metadata.filename, metadata.data, staging_dir=staging_dir)


def _drop_others(metadata_dir: Path, current: set[str], disk: Disk) -> None:
    """Remove earlier metadata, which may be damaged; roots stay."""
    for path in sorted(metadata_dir.glob("*.json")):
        role, version = role_of_filename(path.name) or ("root", None)
        if role != "root" and version is not None and path.name not in current:
            disk.remove(path)


def _outcome(
    content: MirrorContent,
    state: RepositoryState,
    signed: tuple[NewMetadata, ...],
    *,
    folder: Path,
    lane: str,
    dry_run: bool,
) -> SealOutcome:
    before = {
        "root": state.root,
        "targets": state.targets,
        **state.delegated,
        "snapshot": state.snapshot,
        "timestamp": state.timestamp,
    }
    current = {role: (found.version, found.expires) for role, found in before.items() if found is not None}
    current.update({metadata.role: (metadata.version, metadata.expires) for metadata in signed})
    return SealOutcome(
        changed=bool(signed),
        dry_run=dry_run,
        path=str(folder),
        lane=lane,
        artifacts=tuple(f"{a.target} {a.version}" for sealed in content.engines for a in sealed.artifacts),
        engines=tuple(sealed.engine for sealed in content.engines),
        versions={role: version for role, (version, _) in current.items()},
        expires={role: f"{expires:%Y-%m-%dT%H:%M:%SZ}" for role, (_, expires) in current.items()},
    )
