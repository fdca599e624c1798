"""What a published repository says now: its metadata, read with every signature checked against our own keys' root.

A publisher signs what it finds, so it must trust what it finds no more than a client does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from pipeline.errors import IntegrityError, NothingSelectedError, TrustError
from pipeline.model.manifest_document import read_document, read_manifest
from pipeline.model.repository_layout import (
    blob_path,
    engine_of_manifest_target,
    engine_of_revocations_target,
    metadata_filename,
    metadata_folder,
    role_of_filename,
)
from pipeline.model.revocation import RevocationList
from pipeline.publish.delegating import role_for, roles_of
from pipeline.publish.root_chain import read_chain
from pipeline.publish.roots import lane_of, read_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tuf.api.metadata import TargetFile

    from pipeline.model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """Verified metadata of a repository; None for a role that is not there yet.

    Attributes:
        root: the newest.
        metadata_dir: where its metadata is.
        served_root: the newest that the folder has, which clients follow now; None where it has none.
        root_bytes: all root versions that are not in the folder yet and must be written, by version.
        stale: top-level roles that the keys of the newest root have not signed yet.
        delegated: delegated role to its metadata.
        manifests: engine to its published manifest.
        revocations: engine to its published list of revoked builds.
        highest: role to the highest version that any file in the folder has; the next one is above it.
        floor: version that every next one is above, whatever the role.
    """

    root: Root
    metadata_dir: Path
    served_root: Root | None = None
    root_bytes: dict[int, bytes] = field(default_factory=dict)
    timestamp: Timestamp | None = None
    snapshot: Snapshot | None = None
    targets: Targets | None = None
    delegated: dict[str, Targets] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()
    manifests: dict[str, Manifest] = field(default_factory=dict)
    revocations: dict[str, RevocationList] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    floor: int = 0

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


def read_state(
    repository: Path,
    *,
    trusted_root: bytes,
    roots: Mapping[int, bytes] | None = None,
    allow_new: bool = True,
    anew: bool = False,
) -> RepositoryState:
    """Read a repository, or an empty folder that will be one.

    Top-level metadata that only an earlier root's keys have signed is taken as it is, and said to be ``stale``: that is
    what a repository looks like between a new root and the signatures of its keys.

    Args:
        repository: its folder.
        trusted_root: root metadata that came with the keys; of a lane, the lane is read.
        roots: others that came with the keys, by version.
        allow_new: whether a folder with nothing in it will do.
        anew: whether of what is there the versions alone count, because it is damaged and will all be signed again.

    Raises:
        TrustError: it is signed by other keys, or its signatures are not right.
        IntegrityError: it is malformed, or a file is missing.
        NothingSelectedError: there is nothing, and that will not do.
    """
    trusted = read_root(trusted_root, what="root.json of the keys").signed
    metadata_dir = repository / metadata_folder(lane_of(trusted))
    chain = read_chain(metadata_dir, {**(roots or {}), trusted.version: trusted_root}, leave_damaged=anew)
    state = RepositoryState(
        root=chain.roots[0],
        metadata_dir=metadata_dir,
        served_root=next((root for root in chain.roots if root.version == chain.served), None),
        root_bytes=chain.missing,
        highest=_highest_versions(metadata_dir),
    )
    if anew:
        return replace(state, floor=_highest_of_all(metadata_dir, state.highest))
    if not (metadata_dir / "timestamp.json").exists():
        if not allow_new:
            raise NothingSelectedError(f"{repository} is no published repository", hint="`publish` makes one")
        return state
    return _Reading(repository, metadata_dir, chain.roots).read(state)


class _Reading:
    """One look at a repository that has a timestamp."""

    def __init__(self, repository: Path, metadata_dir: Path, roots: tuple[Root, ...]) -> None:
        self._repository = repository
        self._dir = metadata_dir
        self._roots = roots
        self._stale: set[str] = set()

    def read(self, state: RepositoryState) -> RepositoryState:
        timestamp = self._parse(Timestamp, "timestamp", self._bytes("timestamp", 0), self._roots)
        snapshot = self._listed(Snapshot, "snapshot", timestamp.snapshot_meta, self._roots)
        targets = self._listed(Targets, "targets", _listed(snapshot, "targets"), self._roots)
        delegated = {
            name: self._listed(Targets, name, _listed(snapshot, name), (targets,))
            for name in roles_of(targets.delegations)
            if f"{name}.json" in snapshot.meta  # else its delegation was signed elsewhere, and nothing published yet
        }
        found = replace(
            state,
            timestamp=timestamp,
            snapshot=snapshot,
            targets=targets,
            delegated=delegated,
            stale=frozenset(self._stale),
            highest={**state.highest, "timestamp": timestamp.version},
        )
        manifests, revocations = _read_documents(self._repository, found.published)
        return replace(found, manifests=manifests, revocations=revocations)

    def _bytes(self, role: str, version: int) -> bytes:
        path = self._dir / metadata_filename(role, version)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise IntegrityError(
                f"{path} is missing", hint="put the file back from a mirror or a backup; metadata is never made up"
            ) from error

    def _listed(self, kind: type[T], role: str, meta: MetaFile, delegators: Sequence[Root | Targets]) -> T:
        """Read the very version that the role above lists."""
        data = self._bytes(role, meta.version)
        signed = self._parse(kind, role, data, delegators)
        try:
            meta.verify_length_and_hashes(data)
        except RepositoryError as error:
            raise TrustError(
                f"{self._dir / metadata_filename(role, meta.version)}: {error}",
                hint="it is signed, but is not the one that was published last",
            ) from error
        return signed

    def _parse(self, kind: type[T], role: str, data: bytes, delegators: Sequence[Root | Targets]) -> T:
        name = f"{role} metadata in {self._dir}"
        try:
            metadata = Metadata[T].from_bytes(data)
        except DeserializationError as error:
            raise IntegrityError(f"{name} is malformed", hint="put the file back from a mirror or a backup") from error
        if not isinstance(metadata.signed, kind):
            raise TrustError(f"{name} is of the kind {metadata.signed.type}, not {kind.type}")
        refusals = []
        for delegator in delegators:
            try:
                delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
            except (RepositoryError, ValueError) as error:
                refusals.append(error)
                continue
            if refusals:
                self._stale.add(role)
            return metadata.signed
        raise TrustError(
            f"{name}: {refusals[0]}",
            hint="it was changed after signing or signed by other keys; nothing was signed or changed",
        ) from refusals[0]


def _listed(snapshot: Snapshot, role: str) -> MetaFile:
    meta = snapshot.meta.get(f"{role}.json")
    if meta is None:
        raise IntegrityError(
            f"the snapshot does not list {role}", hint="the repository was not written by this program"
        )
    return meta


def _read_documents(
    repository: Path, published: Mapping[str, TargetFile]
) -> tuple[dict[str, Manifest], dict[str, RevocationList]]:
    """Return manifests and revocation lists by engine."""
    manifests: dict[str, Manifest] = {}
    revocations: dict[str, RevocationList] = {}
    for path, target in published.items():
        if (engine := engine_of_manifest_target(path)) is not None:
            what = f"published manifest of {engine}"
            manifests[engine] = read_manifest(_read_blob(repository, target, what), what=what)
        elif (engine := engine_of_revocations_target(path)) is not None:
            what = f"published list of revoked builds of {engine}"
            revocations[engine] = read_document(RevocationList, _read_blob(repository, target, what), what=what)
    return manifests, revocations


def _read_blob(repository: Path, target: TargetFile, what: str) -> bytes:
    blob = repository / blob_path(target.hashes["sha256"])
    try:
        data = blob.read_bytes()
        target.verify_length_and_hashes(data)
    except FileNotFoundError as error:
        raise IntegrityError(f"{blob}, the {what}, is missing") from error
    except RepositoryError as error:
        raise IntegrityError(f"{blob}, the {what}, was changed: {error}") from error
    return data


def _highest_of_all(metadata_dir: Path, highest: Mapping[str, int]) -> int:
    """Return a version that no role can have been above, though its file may be damaged or lost.

    Whatever is signed makes a new snapshot and a new timestamp, so the timestamp or any other file that is left tells.
    """
    try:
        timestamp = Metadata[Timestamp].from_bytes((metadata_dir / "timestamp.json").read_bytes()).signed
        told = (timestamp.version, timestamp.snapshot_meta.version)
    except (OSError, DeserializationError):
        told = (0, 0)
    return max(*told, *highest.values(), 0)


def _highest_versions(metadata_dir: Path) -> dict[str, int]:
    highest: dict[str, int] = {}
    for path in metadata_dir.glob("*.*.json"):
        role, version = role_of_filename(path.name) or ("", None)
        if version is not None:
            highest[role] = max(highest.get(role, 0), version)
    return highest
