"""What a published repository says now: its metadata, read with every signature checked against our own keys' root.

A publisher signs what it finds, so it must trust what it finds no more than a client does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from pipeline.errors import IntegrityError, TrustError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.repository_layout import (
    METADATA_FOLDER,
    blob_path,
    engine_of_manifest_target,
    metadata_filename,
    role_of_filename,
)
from pipeline.publish.delegating import role_for, roles_of

if TYPE_CHECKING:
    from pathlib import Path

    from tuf.api.metadata import TargetFile

    from pipeline.model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """Verified metadata of a repository; None for a role that is not there yet.

    Attributes:
        root: the newest.
        root_bytes: all root versions that are not in the folder yet and must be written, by version.
        delegated: delegated role to its metadata.
        manifests: engine to its published manifest.
        highest: role to the highest version that any file in the folder has; the next one is above it.
    """

    root: Root
    root_bytes: dict[int, bytes] = field(default_factory=dict)
    timestamp: Timestamp | None = None
    snapshot: Snapshot | None = None
    targets: Targets | None = None
    delegated: dict[str, Targets] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)

    @property
    def published(self) -> dict[str, TargetFile]:
        """Every target that a client finds, by path."""
        delegations = None if self.targets is None else self.targets.delegations
        return {
            path: target
            for name, role in self.delegated.items()
            for path, target in role.targets.items()
            if role_for(path, delegations) == name
        }


def read_state(repository: Path, *, trusted_root: bytes) -> RepositoryState:
    """Read a repository, or an empty folder that will be one.

    Args:
        repository: its folder.
        trusted_root: root metadata that came with the keys.

    Raises:
        TrustError: it is signed by other keys, or its signatures are not right.
        IntegrityError: it is malformed, or a file is missing.
    """
    metadata_dir = repository / METADATA_FOLDER
    root, missing = _read_root(metadata_dir, trusted_root)
    highest = _highest_versions(metadata_dir)
    if not (metadata_dir / "timestamp.json").exists():
        return RepositoryState(root=root, root_bytes=missing, highest=highest)
    timestamp = _read(Timestamp, metadata_dir / "timestamp.json", signed_for=(root, "timestamp"))
    snapshot = _read_listed(Snapshot, metadata_dir, timestamp.snapshot_meta, signed_for=(root, "snapshot"))
    targets = _read_listed(Targets, metadata_dir, _listed(snapshot, "targets"), signed_for=(root, "targets"))
    delegated = {
        name: _read_listed(Targets, metadata_dir, _listed(snapshot, name), signed_for=(targets, name))
        for name in roles_of(targets.delegations)
        if f"{name}.json" in snapshot.meta  # else its delegation was signed elsewhere, and nothing was published yet
    }
    state = RepositoryState(
        root=root,
        root_bytes=missing,
        timestamp=timestamp,
        snapshot=snapshot,
        targets=targets,
        delegated=delegated,
        highest={**highest, "timestamp": timestamp.version},
    )
    return replace(state, manifests=_read_manifests(repository, state.published))


def _read_root(metadata_dir: Path, trusted: bytes) -> tuple[Root, dict[int, bytes]]:
    """Follow the chain of roots from the one that came with the keys."""
    root = _parse(Root, trusted, what="root.json of the keys", signed_for=None)
    own_path = metadata_dir / f"{root.version}.root.json"
    if any(metadata_dir.glob("*.root.json")) and (not own_path.exists() or own_path.read_bytes() != trusted):
        raise TrustError(
            f"{metadata_dir.parent} is signed by other keys: its {own_path.name} is not the root of these keys",
            hint="open the keys that it was made with, or publish to another folder",
        )
    missing = {} if own_path.exists() else {root.version: trusted}
    while (path := metadata_dir / f"{root.version + 1}.root.json").exists():
        newer = _read(Root, path, signed_for=(root, "root"))
        _parse(Root, path.read_bytes(), what=str(path), signed_for=(newer, "root"))
        if newer.version != root.version + 1:
            raise IntegrityError(f"{path} says that it is version {newer.version}")
        root = newer
    return root, missing


def _read(kind: type[T], path: Path, *, signed_for: tuple[Root | Targets, str]) -> T:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise IntegrityError(
            f"{path} is missing", hint="put the file back from a mirror or a backup; metadata is never made up"
        ) from error
    return _parse(kind, data, what=str(path), signed_for=signed_for)


def _read_listed(kind: type[T], metadata_dir: Path, meta: MetaFile, *, signed_for: tuple[Root | Targets, str]) -> T:
    """Read the very version that the role above lists."""
    path = metadata_dir / metadata_filename(signed_for[1], meta.version)
    signed = _read(kind, path, signed_for=signed_for)
    try:
        meta.verify_length_and_hashes(path.read_bytes())
    except RepositoryError as error:
        raise TrustError(f"{path}: {error}", hint="it is signed, but is not the one that was published last") from error
    return signed


def _parse(kind: type[T], data: bytes, *, what: str, signed_for: tuple[Root | Targets, str] | None) -> T:
    try:
        metadata = Metadata[T].from_bytes(data)
    except DeserializationError as error:
        raise IntegrityError(f"{what} is malformed", hint="put the file back from a mirror or a backup") from error
    signed = metadata.signed
    if not isinstance(signed, kind):
        raise TrustError(f"{what} is metadata of the kind {signed.type}, not {kind.type}")
    delegator, role = signed_for or (signed, kind.type)
    try:
        if isinstance(delegator, (Root, Targets)):
            delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise TrustError(
            f"{what}: {error}",
            hint="it was changed after signing or signed by other keys; nothing was signed or changed",
        ) from error
    return signed


def _listed(snapshot: Snapshot, role: str) -> MetaFile:
    meta = snapshot.meta.get(f"{role}.json")
    if meta is None:
        raise IntegrityError(
            f"the snapshot does not list {role}", hint="the repository was not written by this program"
        )
    return meta


def _read_manifests(repository: Path, published: dict[str, TargetFile]) -> dict[str, Manifest]:
    manifests: dict[str, Manifest] = {}
    for path, target in published.items():
        if (engine := engine_of_manifest_target(path)) is None:
            continue
        blob = repository / blob_path(target.hashes["sha256"])
        try:
            data = blob.read_bytes()
            target.verify_length_and_hashes(data)
        except FileNotFoundError as error:
            raise IntegrityError(f"{blob}, the manifest of {engine}, is missing") from error
        except RepositoryError as error:
            raise IntegrityError(f"{blob}, the manifest of {engine}, was changed: {error}") from error
        manifests[engine] = read_manifest(data, what=f"published manifest of {engine}")
    return manifests


def _highest_versions(metadata_dir: Path) -> dict[str, int]:
    highest: dict[str, int] = {}
    for path in metadata_dir.glob("*.*.json"):
        role, version = role_of_filename(path.name) or ("", None)
        if version is not None:
            highest[role] = max(highest.get(role, 0), version)
    return highest
