"""One change of a repository: decided on what is published now, signed, and put in place file by file.

Files are added under their digest and never changed; metadata comes after the files it speaks of, the timestamp last.
So whoever reads the repository at any moment, or after a publisher died, sees the old state or the new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.digest import require_digest, sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.events import Notice, StepProgress
from pipeline.model.manifest_document import write_document
from pipeline.model.publication import PublishOutcome
from pipeline.model.repository_layout import (
    LOCK_FILE,
    MANIFEST_COPY,
    README,
    STAGING_FOLDER,
    blob_path,
)
from pipeline.ports import require_space
from pipeline.publish.deltas import DeltaMaking, layer_pairs
from pipeline.publish.dist import DistFile, check_file
from pipeline.publish.endings import endings, require_alive
from pipeline.publish.merging import merge, target_files
from pipeline.publish.revoking import require_none_revoked
from pipeline.publish.signing import moment, sign_changes
from pipeline.publish.state import read_state
from pipeline.publish.statements import StatementSigning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipeline.model.manifest import Artifact
    from pipeline.model.revocation import RevocationList
    from pipeline.ports import Disk, Services
    from pipeline.publish.deltas import LayerPair, MadeDelta
    from pipeline.publish.dist import Dist
    from pipeline.publish.endings import Ending
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.merging import Merged
    from pipeline.publish.signing import NewMetadata
    from pipeline.publish.state import RepositoryState

_STEP = "publish"
_README_TEXT = b"""A signed repository of engine bundles (The Update Framework).

Installers read metadata/ and blobs/ only: every byte that they use is checked against metadata/, which is signed.
manifest.json is an UNSIGNED copy for people and scripts that only look; trust nothing because it stands there.
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What one run shall change.

    Attributes:
        dist: whose bundles are added.
        replace: let a published version have other bytes.
        policy: targets metadata that was signed elsewhere.
        revocations: the list of one engine's revoked builds, with new ones.
        deltas: of how many versions before a new one its layers get deltas.
        must_live: fail at the end where a role has expired that these keys cannot sign.
    """

    dist: Dist | None = None
    replace: bool = False
    policy: bytes | None = None
    revocations: RevocationList | None = None
    deltas: int = 0
    must_live: bool = False


class Publishing:
    """One change of one repository."""

    def __init__(self, to: Path, *, keys: KeyFolder, services: Services, disk: Disk, now: int) -> None:
        self._to = to
        self._keys = keys
        self._services = services
        self._disk = disk
        self._now = moment(now)
        self._staging = to / STAGING_FOLDER

    def run(
        self, change: Callable[[RepositoryState], Change], *, dry_run: bool, allow_new: bool = True
    ) -> PublishOutcome:
        """Read what is published, decide on the change, and make it."""
        if not allow_new:
            self._read(allow_new=False)  # before anything is made there
        if dry_run:
            return self._publish(change, dry_run=True)
        self._disk.make_dirs(self._to)
        with self._disk.lock(self._to / LOCK_FILE, waiting=self._tell_waiting):
            self._disk.remove(self._staging)  # what a publisher that died has left
            try:
                return self._publish(change, dry_run=False)
            finally:
                self._disk.remove(self._staging)

    def _read(self, *, allow_new: bool = True) -> RepositoryState:
        return read_state(self._to, trusted_root=self._keys.root, roots=self._keys.roots, allow_new=allow_new)

    def _publish(self, decide: Callable[[RepositoryState], Change], *, dry_run: bool) -> PublishOutcome:
        state = self._read()
        change = decide(state)
        stating = StatementSigning(state, self._to, self._keys, policy=change.policy, now=self._now, dry_run=dry_run)
        dist, published = stating.run(change.dist, warn=self._notice)
        merged = merge(published, dist, replace=change.replace)
        require_none_revoked(state, (*merged.added, *merged.replaced))
        found = self._warn_of_ends(state)
        lists = {} if change.revocations is None else {change.revocations.engine: write_document(change.revocations)}
        pairs = layer_pairs(merged, state.published.keys(), count=change.deltas)
        if pairs and not dry_run:  # which takes minutes: whoever cannot sign hears of it first
            plain = target_files(merged, dist=dist, before=state.published, lists=lists)
            sign_changes(state, plain, keys=self._keys, now=self._now, policy=change.policy, dry_run=True)
        deltas = () if dry_run else self._make_deltas(pairs, dist)
        targets = target_files(merged, dist=dist, before=state.published, lists=lists, deltas=deltas)
        new_files = self._new_files((*dist.files.values(), *(one.file for one in deltas)))
        documents = {sha256_bytes(data): data for data in (*merged.manifests.values(), *lists.values())}
        documents |= dist.documents
        documents = {sha: data for sha, data in documents.items() if not self._is_there(sha, data)}
        # before gigabytes are copied
        self._require_space(new_files, documents)
        signed = sign_changes(state, targets, keys=self._keys, now=self._now, policy=change.policy, dry_run=dry_run)
        if dry_run:
            for file in new_files:
                check_file(file)
        else:
            self._stage_blobs(new_files, documents)
            self._write(state, signed, staged=[*(f.sha256 for f in new_files), *documents])
            self._write_copies(merged)
        if change.must_live:
            require_alive(found, (metadata.role for metadata in signed), repository=self._to, now=self._now)
        outcome = self._outcome(state, merged, signed, new_files=new_files, dry_run=dry_run)
        return outcome.model_copy(update={"deltas": tuple(one.text for one in (pairs if dry_run else deltas))})

    def _make_deltas(self, pairs: Sequence[LayerPair], dist: Dist) -> tuple[MadeDelta, ...]:
        if not pairs:
            return ()
        work_dir = self._staging / "deltas"
        self._disk.make_dirs(work_dir, durable=False)
        return DeltaMaking(dist, self._to, work_dir, services=self._services, disk=self._disk).make_all(pairs)

    def _new_files(self, files: Iterable[DistFile]) -> tuple[DistFile, ...]:
        """Return the files that have no blob yet, after hashing those that have one."""
        new = []
        for file in {file.sha256: file for file in files}.values():
            blob = self._to / blob_path(file.sha256)
            if not blob.exists():
                new.append(file)
                continue
            check_file(file)
            if (found := blob.stat().st_size) != file.size_bytes:
                raise IntegrityError(
                    f"{blob} has {found} bytes and should have {file.size_bytes}",
                    hint="the repository is damaged: move that file away, publish again, then run verify",
                )
        return tuple(new)

    def _is_there(self, sha256: str, data: bytes) -> bool:
        """Tell whether a document has its blob, after comparing the two."""
        blob = self._to / blob_path(sha256)
        if not blob.exists():
            return False
        if not blob.is_file() or blob.stat().st_size != len(data) or blob.read_bytes() != data:
            raise IntegrityError(
                f"{blob} is not the document of that digest",
                hint="the repository is damaged: move that file away, publish again, then run verify",
            )
        return True

    def _require_space(self, files: Iterable[DistFile], documents: dict[str, bytes]) -> None:
        needed = sum(file.size_bytes for file in files) + sum(map(len, documents.values()))
        hint = "free some space, or publish to a folder on another disk; nothing was published"
        require_space(self._to, needed, host=self._services.host, hint=hint)

    def _stage_blobs(self, files: Iterable[DistFile], documents: dict[str, bytes]) -> None:
        """Copy files to the staging folder, each verified as it is copied; nothing is in place before all are."""
        self._disk.make_dirs(self._staging, durable=False)
        files = tuple(files)
        total, done = sum(file.size_bytes for file in files), 0
        for file in files:
            found, _ = self._disk.copy_file(file.path, self._staging / file.sha256)
            require_digest(what=str(file.path), expected=file.sha256, found=found)
            done += file.size_bytes
            self._services.events.emit(StepProgress(_STEP, done, total, "bytes", file.path.name))
        for sha256, data in documents.items():
            self._disk.write_file(self._staging / sha256, data)

    def _write(self, state: RepositoryState, signed: tuple[NewMetadata, ...], *, staged: list[str]) -> None:
        """Put everything in place in the order that keeps every moment consistent."""
        metadata_dir = state.metadata_dir
        self._disk.make_dirs(metadata_dir)
        for sha256 in staged:
            self._disk.make_dirs((self._to / blob_path(sha256)).parent)
        if staged:
            self._disk.sync(self._to)
        for sha256 in staged:
            self._disk.move(self._staging / sha256, self._to / blob_path(sha256))
        self._disk.make_dirs(self._staging, durable=False)
        for metadata in signed:
            self._disk.replace_file(metadata_dir / metadata.filename, metadata.data, staging_dir=self._staging)

    def _write_copies(self, merged: Merged) -> None:
        for name, data in ((MANIFEST_COPY, merged.copy), (README, _README_TEXT)):
            path = self._to / name
            if not path.is_file() or path.read_bytes() != data:
                self._disk.replace_file(path, data, staging_dir=self._staging)

    def _warn_of_ends(self, state: RepositoryState) -> tuple[Ending, ...]:
        found = endings(state, self._keys, self._now)
        for ending in found:
            self._notice(ending.text(self._to))
        left = sorted(role for role in state.stale if not self._keys.can_sign(state.root.roles[role]))
        if left:
            self._notice(f"a new root is out, and {', '.join(left)} not yet signed by its keys, which are not here")
        return found

    def _tell_waiting(self) -> None:
        self._notice(f"another publisher works on {self._to}; waiting for it")

    def _notice(self, message: str) -> None:
        self._services.events.emit(Notice(message, "warning"))

    def _outcome(
        self,
        state: RepositoryState,
        merged: Merged,
        signed: tuple[NewMetadata, ...],
        *,
        new_files: tuple[DistFile, ...],
        dry_run: bool,
    ) -> PublishOutcome:
        current = {
            role: (metadata.version, metadata.expires)
            for role, metadata in (
                ("root", state.root),
                ("targets", state.targets),
                *state.delegated.items(),
                ("snapshot", state.snapshot),
                ("timestamp", state.timestamp),
            )
            if metadata is not None
        }
        if not dry_run:
            current.update({metadata.role: (metadata.version, metadata.expires) for metadata in signed})
        return PublishOutcome(
            changed=bool(signed),
            dry_run=dry_run,
            added=_names(merged.added),
            replaced=_names(merged.replaced),
            unchanged=_names(merged.unchanged),
            blobs_added=len(new_files),
            bytes_added=sum(file.size_bytes for file in new_files),
            signed=tuple(dict.fromkeys(metadata.role for metadata in signed)),
            versions={role: version for role, (version, _) in current.items()},
            expires={role: f"{expires:%Y-%m-%dT%H:%M:%SZ}" for role, (_, expires) in current.items()},
            development=self._keys.listing.development,
        )


def _names(artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    return tuple(f"{artifact.target} {artifact.version}" for artifact in artifacts)
