"""A signed repository as an installer sees it: nothing comes out of it that was not signed under the trusted root."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuf.api.exceptions import LengthOrHashMismatchError

from pipeline.deploy.kept_metadata import MANIFESTS, REVOCATIONS, KeptLocation, keep
from pipeline.deploy.known_time import TIME_FILE, metadata_digests, remember_time, require_later
from pipeline.deploy.location import FolderLocation, locate
from pipeline.deploy.metadata_client import MetadataClient, read_root
from pipeline.deploy.revoked import in_words, kept_withdrawn
from pipeline.deploy.statements import signers_for
from pipeline.deploy.trusted_root import identity_of, lane_of
from pipeline.errors import IntegrityError, NetworkError, NothingSelectedError, TrustError
from pipeline.model.manifest_document import read_document, read_manifest
from pipeline.model.repository_layout import (
    DEVELOPMENT_FIELD,
    TARGET_FOLDERS,
    blob_path,
    blob_target,
    delta_target,
    engine_of_manifest_target,
    manifest_target,
    metadata_folder,
    revocations_target,
)
from pipeline.model.revocation import RevocationList
from pipeline.model.strict_json import LIMIT_BYTES
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from tuf.api.metadata import TargetFile

    from pipeline.deploy.location import RepositoryLocation
    from pipeline.deploy.statements import Signers
    from pipeline.model.manifest import Manifest
    from pipeline.model.repository_layout import DeltaTrees, TargetFolder
    from pipeline.ports import Disk, Services


_SHA256 = re.compile("[0-9a-f]{64}")


class TrustedRepository:
    """A repository whose metadata was brought up to date and verified.

    Attributes:
        location: where it is, for people.
        identity: of the repository, the same wherever it is mirrored.
        development: whether its root says that it is signed with development keys.
        metadata_folder: below the location: of the repository itself, or of the lane that the trusted root is of.
    """

    def __init__(
        self,
        location: RepositoryLocation,
        client: MetadataClient,
        *,
        identity: str,
        metadata_folder: str,
        state_dir: Path,
        disk: Disk,
        synced: dict[str, str],
    ) -> None:
        """Use ``open``."""
        self._synced = synced
        self._place = location
        self._state_dir = state_dir
        self._disk = disk
        self._client = client
        self.location = location.text
        self.identity = identity
        self.metadata_folder = metadata_folder
        self.development = client.root.unrecognized_fields.get(DEVELOPMENT_FIELD) is True

    @classmethod
    @contextmanager
    def open(
        cls, location: str | None, *, state_dir: Path, trusted_root: bytes, services: Services, disk: Disk
    ) -> Iterator[Self]:
        """Bring a repository's metadata up to date and hold it while it is used, one process at a time.

        Args:
            location: folder or url; None for what is kept, while its signatures hold: nothing can be downloaded then.
            state_dir: keeps what was seen, by repository and not by location: an old copy elsewhere is refused too.
            trusted_root: root metadata to start from.
            services: downloader and clock.
            disk: for the state.

        Raises:
            UsageError: ``location`` is no place of a repository.
            TrustError: metadata is expired, rolled back, not signed as it must be, or the clock was set back.
            IntegrityError: metadata is malformed.
            NetworkError, OfflineError: the repository cannot be reached.
            HostError: the state cannot be written.
        """
        root = read_root(trusted_root)
        identity, folder = identity_of(root, trusted_root), metadata_folder(lane_of(root))
        own_dir = state_dir / identity
        place = KeptLocation(own_dir, folder) if location is None else locate(location, services.downloader)
        disk.make_dirs(own_dir)
        with disk.lock(state_dir / f"{identity}.lock"):
            now = services.clock.now_seconds()
            require_later(own_dir, now)
            before = metadata_digests(own_dir)
            client = MetadataClient(
                place.text,
                state_dir=own_dir,
                trusted_root=trusted_root,
                now=now,
                read=lambda name, limit: place.read(f"{folder}/{name}", limit_bytes=limit),
                missing_error=IntegrityError if isinstance(place, FolderLocation) else NetworkError,
                reserved=frozenset({TIME_FILE}),
            )
            client.refresh()
            repository = cls(
                place,
                client,
                identity=identity,
                metadata_folder=folder,
                state_dir=own_dir,
                disk=disk,
                synced=before,
            )
            repository._sync()
            remember_time(own_dir, now, disk)
            yield repository

    def engines(self) -> tuple[str, ...]:
        """Return the engines that have a signed manifest, sorted.

        Raises:
            TrustError, IntegrityError, NetworkError, OfflineError: as ``open``.
        """
        named = (engine_of_manifest_target(path) for path in self._signed_targets())
        return tuple(sorted(engine for engine in named if engine is not None))

    def signed_files(self) -> dict[str, int]:
        """Return sha256 and size of every file that is signed.

        Raises:
            TrustError, IntegrityError, NetworkError, OfflineError: as ``open``.
        """
        return {self._sha256(target.hashes): target.length for target in self._signed_targets().values()}

    def is_signed_metadata(self, name: str, data: bytes) -> bool | None:
        """Tell whether a file of ``metadata/`` is signed by those who may, whatever its age; None when it is none."""
        return self._client.is_signed(name, data)

    def statement_signers(self, engine: str) -> Signers | None:
        """Return who signs the provenance of an engine's bundles, None where nobody may speak for it.

        Raises:
            IntegrityError: a lane names keys that are none.
        """
        found = (signers_for(self._client.policy(), manifest_target(engine, folder)) for folder in TARGET_FOLDERS)
        return next((signers for signers in found if signers is not None), None)

    def manifest(self, engine: str) -> Manifest:
        """Return an engine's manifest after checking its bytes against what is signed.

        Raises:
            NothingSelectedError: the repository has no such engine.
            IntegrityError: the bytes are not the signed ones, or speak of another engine.
            TrustError, NetworkError, OfflineError: as ``open``.
        """
        target = self._target(lambda folder: manifest_target(engine, folder))
        if target is None:
            raise NothingSelectedError(
                f"{self.location} has no engine {engine!r}", hint=f"it has: {', '.join(self.engines()) or 'none'}"
            )
        data = self._signed_document(target, what=f"the manifest of {engine}")
        manifest = read_manifest(data, what=f"manifest of {engine}")
        if strange := [artifact.target for artifact in manifest.artifacts if artifact.engine != engine]:
            raise IntegrityError(f"the manifest of {engine} speaks of {strange[0]}")
        keep(self._state_dir, MANIFESTS, engine, data, self._disk)
        self._sync()  # the engine's role came with it
        return manifest

    def revocations(self, engine: str) -> RevocationList:
        """Return the builds of an engine that must not run; an engine without a list has none.

        Raises:
            TrustError: builds are missing that were on an earlier list: what was revoked once stays so.
            IntegrityError: the list is not the signed one, or speaks of another engine.
            NetworkError, OfflineError: as ``open``.
        """
        what = f"the list of revoked builds of {engine}"
        known = kept_withdrawn(self._state_dir, engine, damaged_counts=False)
        target = self._target(lambda folder: revocations_target(engine, folder))
        found, data = RevocationList(engine=engine), None
        if target is not None:
            data = self._signed_document(target, what=what)
            found = read_document(RevocationList, data, what=what)
            if found.engine != engine:
                raise IntegrityError(f"{what} speaks of {found.engine}", hint="tell the publisher")
        listed = {build.sha256 for build in found.revoked}
        if gone := [build for sha256, build in known.items() if sha256 not in listed]:
            raise TrustError(
                f"{what} in {self.location} lacks what was on it before: {in_words(gone[0])}",
                hint="a list only grows: the repository was changed by somebody who should not; tell its publisher",
            )
        if data is not None:
            keep(self._state_dir, REVOCATIONS, engine, data, self._disk)
        return found

    def require_signed(self, *, engine: str, sha256: str, size_bytes: int, what: str) -> None:
        """Refuse a bundle or a layer that is not signed as the manifest says.

        Raises:
            IntegrityError: the signed target is not there or has another size or digest.
            TrustError, NetworkError, OfflineError: as ``open``.
        """
        target = self._target(lambda folder: blob_target(engine, sha256, folder))
        if target is None or self._sha256(target.hashes) != sha256 or target.length != size_bytes:
            raise IntegrityError(
                f"{what}: the signed metadata of {self.location} does not list it as the manifest does",
                hint="the repository contradicts itself; tell its publisher",
            )

    def request(self, *, engine: str, sha256: str, size_bytes: int, what: str) -> DownloadRequest:
        """Return how to download a bundle or a layer, after checking that it is signed as the manifest says.

        Raises:
            IntegrityError: as ``require_signed``, or it is a file of this machine and is not there.
            TrustError, NetworkError, OfflineError: as ``open``.
        """
        self.require_signed(engine=engine, sha256=sha256, size_bytes=size_bytes, what=what)
        return self._request(sha256, size_bytes, what)

    def delta_request(self, engine: str, trees: DeltaTrees, *, what: str) -> DownloadRequest | None:
        """Return how to download what makes one layer out of another, None where no such delta is signed.

        Raises:
            IntegrityError: it is a file of this machine and is not there.
            TrustError, NetworkError, OfflineError: as ``open``.
        """
        target = self._target(lambda folder: delta_target(engine, trees, folder))
        if target is None:
            return None
        return self._request(self._sha256(target.hashes), target.length, what)

    def _request(self, sha256: str, size_bytes: int, what: str) -> DownloadRequest:
        url = self._place.url(blob_path(sha256), size_bytes=size_bytes)
        return DownloadRequest(what=what, urls=(url,), sha256=sha256, size_bytes=size_bytes, filename=sha256)

    def _sync(self) -> None:
        """Bring new metadata to the disk: python-tuf renames but does not sync."""
        found = metadata_digests(self._state_dir)
        if found != self._synced:
            self._disk.sync(self._state_dir)
            self._synced = found

    def _signed_document(self, target: TargetFile, *, what: str) -> bytes:
        """Return a small signed file after checking its bytes."""
        path = blob_path(self._sha256(target.hashes))
        if target.length > LIMIT_BYTES:
            raise IntegrityError(f"{what} has {target.length} bytes, more than {LIMIT_BYTES}")
        data = self._place.read(path, limit_bytes=target.length)
        if data is None:
            kind = IntegrityError if isinstance(self._place, FolderLocation) else NetworkError
            hint = "the copy is incomplete; use another mirror"
            raise kind(f"{path} of {self.location} is signed and not there", hint=hint)
        try:
            target.verify_length_and_hashes(data)
        except LengthOrHashMismatchError as error:
            raise IntegrityError(
                f"{path}, {what} in {self.location}, is not the signed one: {error}",
                hint="it was changed after publishing; use another mirror",
            ) from error
        return data

    def _target(self, path_in: Callable[[TargetFolder], str]) -> TargetFile | None:
        """Look a target up as one of an engine, then of an environment; only roles that may speak for it are read."""
        found = (self._client.target(path_in(folder)) for folder in TARGET_FOLDERS)
        return next((target for target in found if target is not None), None)

    def _signed_targets(self) -> dict[str, TargetFile]:
        """Return every target of every delegated role; where two list the same, the one that a client asks first."""
        targets: dict[str, TargetFile] = {}
        for name in self._client.delegated_roles():
            role = self._client.role(name)
            for path in () if role is None else role.targets:
                if path not in targets and (target := self._client.target(path)) is not None:
                    targets[path] = target  # a role may list what it may not speak for; no client finds that
        return targets

    def _sha256(self, hashes: dict[str, str]) -> str:
        sha256 = hashes.get("sha256", "")
        if not _SHA256.fullmatch(sha256):  # it becomes a part of paths and urls
            raise TrustError(f"{self.location} signs a target without its sha256", hint="tell its publisher")
        return sha256
