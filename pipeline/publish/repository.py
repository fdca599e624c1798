"""Publishing: bundles of a dist folder into a signed repository that any static web server can serve.

Files are added under their digest and never changed; metadata comes after the files it speaks of, the timestamp last.
So whoever reads the repository at any moment, or after a publisher died, sees the old state or the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.digest import require_digest, sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.events import Notice, StepProgress
from pipeline.model.publication import PublishOutcome
from pipeline.model.repository_layout import (
    LOCK_FILE,
    MANIFEST_COPY,
    METADATA_FOLDER,
    README,
    STAGING_FOLDER,
    blob_path,
)
from pipeline.publish.dist import DistFile, check_file, read_dist
from pipeline.publish.merging import merge, target_files
from pipeline.publish.signing import is_due, moment, sign_changes
from pipeline.publish.state import read_state
from pipeline.publish.statements import sign_statements

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.model.manifest import Artifact
    from pipeline.ports import Disk, Services
    from pipeline.publish.dist import Dist
    from pipeline.publish.keys import KeyFolder
    from pipeline.publish.merging import Merged
    from pipeline.publish.signing import NewMetadata
    from pipeline.publish.state import RepositoryState

_STEP = "publish"
_README_TEXT = b"""A signed repository of engine bundles (The Update Framework).

Installers read metadata/ and blobs/ only: every byte that they use is checked against metadata/, which is signed.
manifest.json is an UNSIGNED copy for people and scripts that only look; trust nothing because it stands there.
"""


def publish(
    *,
    dist: Path,
    to: Path,
    keys: KeyFolder,
    services: Services,
    disk: Disk,
    now: int,
    replace: bool = False,
    dry_run: bool = False,
) -> PublishOutcome:
    """Add the bundles of a dist folder to a repository; doing it again changes nothing.

    Args:
        dist: folder with ``manifest.json`` and the files it names.
        to: the repository's folder; made when it is not there.
        keys: that sign it, always the same for one repository.
        services: for events.
        disk: how files are written.
        now: seconds since 1970, from which lifetimes count.
        replace: let a published version have other bytes.
        dry_run: check and tell, change nothing.

    Raises:
        UsageError: a published artifact would change, or ``dist`` has no manifest of files in it.
        IntegrityError: a file is not what the manifest says, or the repository is damaged; nothing was published.
        TrustError: the repository was signed by other keys or changed after signing, or a key cannot be opened.
        HostError, NoSpaceError: the folder cannot be written; nothing was published.
    """
    offered = read_dist(dist)
    return _Publishing(to, keys=keys, services=services, disk=disk, now=now).run(
        offered, replace=replace, dry_run=dry_run
    )


def refresh(*, to: Path, keys: KeyFolder, services: Services, disk: Disk, now: int) -> PublishOutcome:
    """Sign again what expires soon, the timestamp first of all; for a scheduled job.

    Raises:
        TrustError, IntegrityError, HostError, NoSpaceError: as ``publish``.
    """
    return _Publishing(to, keys=keys, services=services, disk=disk, now=now).run(None, replace=False, dry_run=False)


class _Publishing:
    """One change of one repository."""

    def __init__(self, to: Path, *, keys: KeyFolder, services: Services, disk: Disk, now: int) -> None:
        self._to = to
        self._keys = keys
        self._services = services
        self._disk = disk
        self._now = moment(now)
        self._staging = to / STAGING_FOLDER

    def run(self, dist: Dist | None, *, replace: bool, dry_run: bool) -> PublishOutcome:
        if dry_run:
            return self._publish(dist, replace=replace, dry_run=True)
        self._disk.make_dirs(self._to)
        with self._disk.lock(self._to / LOCK_FILE, waiting=self._tell_waiting):
            self._disk.remove(self._staging)  # what a publisher that died has left
            try:
                return self._publish(dist, replace=replace, dry_run=False)
            finally:
                self._disk.remove(self._staging)

    def _publish(self, dist: Dist | None, *, replace: bool, dry_run: bool) -> PublishOutcome:
        state = read_state(self._to, trusted_root=self._keys.root)
        if dist is not None:
            dist = sign_statements(dist, published=state.manifests, keys=self._keys, dry_run=dry_run)
        merged = merge(state.manifests, dist, replace=replace)
        self._warn_of_root(state)
        targets = target_files(merged, dist=dist, before=state.published)
        new_files = self._new_files(dist)
        documents = {sha256_bytes(data): data for data in merged.manifests.values()}
        documents |= {} if dist is None else dist.documents
        documents = {sha: data for sha, data in documents.items() if not (self._to / blob_path(sha)).exists()}
        if dry_run:
            for file in new_files:
                check_file(file)
            signed: tuple[NewMetadata, ...] = ()
        else:
            signed = sign_changes(state, targets, keys=self._keys, now=self._now)  # before gigabytes are copied
            self._stage_blobs(new_files, documents)
            self._write(state, signed, staged=[*(f.sha256 for f in new_files), *documents])
            self._write_copies(merged)
        return self._outcome(state, merged, signed, new_files=new_files, dry_run=dry_run)

    def _new_files(self, dist: Dist | None) -> tuple[DistFile, ...]:
        """Return the files that have no blob yet, after hashing those that have one."""
        new = []
        for file in () if dist is None else dist.files.values():
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
        metadata_dir = self._to / METADATA_FOLDER
        self._disk.make_dirs(metadata_dir)
        for sha256 in staged:
            self._disk.make_dirs((self._to / blob_path(sha256)).parent)
        if staged:
            self._disk.sync(self._to)
        for sha256 in staged:
            self._disk.move(self._staging / sha256, self._to / blob_path(sha256))
        self._disk.make_dirs(self._staging, durable=False)
        for version, data in sorted(state.root_bytes.items()):
            self._disk.replace_file(metadata_dir / f"{version}.root.json", data, staging_dir=self._staging)
        for metadata in signed:
            self._disk.replace_file(metadata_dir / metadata.filename, metadata.data, staging_dir=self._staging)

    def _write_copies(self, merged: Merged) -> None:
        for name, data in ((MANIFEST_COPY, merged.copy), (README, _README_TEXT)):
            path = self._to / name
            if not path.is_file() or path.read_bytes() != data:
                self._disk.replace_file(path, data, staging_dir=self._staging)

    def _warn_of_root(self, state: RepositoryState) -> None:
        if is_due(state.root, "root", self._now):
            self._notice(f"the root of {self._to} expires {state.root.expires:%Y-%m-%d}; clients stop then")
        if state.targets is not None and is_due(state.targets, "targets", self._now):
            self._notice(f"the targets role of {self._to} expires {state.targets.expires:%Y-%m-%d}")

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
        current.update({metadata.role: (metadata.version, metadata.expires) for metadata in signed})
        return PublishOutcome(
            changed=bool(signed or (dry_run and (merged.added or merged.replaced))),
            dry_run=dry_run,
            added=_names(merged.added),
            replaced=_names(merged.replaced),
            unchanged=_names(merged.unchanged),
            blobs_added=len(new_files),
            bytes_added=sum(file.size_bytes for file in new_files),
            versions={role: version for role, (version, _) in current.items()},
            expires={role: f"{expires:%Y-%m-%dT%H:%M:%SZ}" for role, (_, expires) in current.items()},
            development=self._keys.listing.development,
        )


def _names(artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    return tuple(f"{artifact.target} {artifact.version}" for artifact in artifacts)
