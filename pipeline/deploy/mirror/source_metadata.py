"""The metadata of a trusted repository as files: what a mirror copies byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets

from pipeline.deploy.metadata_client import read_root
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, TrustError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tuf.api.metadata import MetaFile, TargetFile

_ROOT_LIMIT_BYTES = 512_000  # python-tuf's own limit of a root
_ROLE_LIMIT_BYTES = 64 << 20
TIMESTAMP = "timestamp.json"


@dataclass(frozen=True, slots=True)
class SourceMetadata:
    """Metadata files by their name under ``metadata/``, in the order in which they may be put in place.

    Attributes:
        files: roots first, the timestamp last.
        targets: TUF target path to what is signed of it.
    """

    files: dict[str, bytes]
    targets: dict[str, TargetFile]


class MetadataReader:
    """Reads what ``TrustedRepository.open`` has verified and kept, and from the source what it did not need.

    Args:
        state_dir: where python-tuf keeps the repository's metadata.
        read: (file name under ``metadata/``, limit in bytes) to its bytes at the source, None when it is not there.
        text: what to call the source.
    """

    def __init__(self, state_dir: Path, read: Callable[[str, int], bytes | None], *, text: str) -> None:
        self._state_dir = state_dir
        self._read = read
        self._text = text

    def snapshot_sha256(self) -> str:
        """Return the digest of the current snapshot: whoever has seen it knows all targets."""
        return sha256_bytes(self._kept("snapshot"))

    def top(self) -> dict[str, bytes]:
        """Return the roots and the timestamp: what changes while all targets stay as they are.

        Raises:
            TrustError: an older root is not what the newer one says.
        """
        return {**self._roots(), TIMESTAMP: self._kept("timestamp")}

    def everything(self) -> SourceMetadata:
        """Return every current file, each of them as the snapshot lists it.

        Raises:
            TrustError, IntegrityError, NetworkError, OfflineError: a file is not what is signed, or cannot be had.
        """
        files = self._roots()
        snapshot_data = self._kept("snapshot")
        snapshot = Metadata[Snapshot].from_bytes(snapshot_data).signed
        targets: dict[str, TargetFile] = {}
        for name, meta in sorted(snapshot.meta.items()):
            data = self._listed(name.removesuffix(".json"), meta)
            files[f"{meta.version}.{name}"] = data
            targets.update(Metadata[Targets].from_bytes(data).signed.targets)
        files[f"{snapshot.version}.snapshot.json"] = snapshot_data
        files[TIMESTAMP] = self._kept("timestamp")
        return SourceMetadata(files, targets)

    def _kept(self, role: str) -> bytes:
        return (self._state_dir / f"{quote(role, safe='')}.json").read_bytes()

    def _listed(self, role: str, meta: MetaFile) -> bytes:
        """Return the file of a role that the snapshot lists; python-tuf has kept it unless nobody asked for it."""
        try:
            data: bytes | None = self._kept(role)
            meta.verify_length_and_hashes(data or b"")
        except (OSError, LengthOrHashMismatchError):
            limit = meta.length or _ROLE_LIMIT_BYTES
            data = self._read(f"{meta.version}.{quote(role, safe='')}.json", limit)
        name = f"{meta.version}.{role}.json"
        if data is None:
            raise IntegrityError(f"{self._text} lacks metadata/{name}", hint="the copy is incomplete; use another one")
        try:
            meta.verify_length_and_hashes(data)
            version = Metadata[Targets].from_bytes(data).signed.version
        except RepositoryError as error:
            raise TrustError(f"{self._text}: metadata/{name}: {error}", hint="use another copy") from error
        if version != meta.version or not meta.hashes:
            raise TrustError(f"{self._text}: metadata/{name} is not signed by its digest and version")
        return data

    def _roots(self) -> dict[str, bytes]:
        """Return every root: those that were verified on the way up, and older ones for readers who start from these.

        An older one counts only when the next one is signed by its keys, and it by its own.
        """
        history = self._state_dir / "root_history"
        current = read_root((self._state_dir / "root.json").read_bytes()).version
        newer: Metadata[Root] | None = None
        found: dict[str, bytes] = {}
        for version in range(current, 0, -1):
            path = history / f"{version}.root.json"
            data = path.read_bytes() if path.is_file() else self._read(path.name, _ROOT_LIMIT_BYTES)
            if data is None:
                break
            found[path.name] = data
            newer = self._older_root(path.name, data, newer)
        return dict(reversed(found.items()))

    def _older_root(self, name: str, data: bytes, newer: Metadata[Root] | None) -> Metadata[Root]:
        try:
            root = read_root(data)
            metadata = Metadata[Root].from_bytes(data)
            root.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
            if newer is not None:
                root.verify_delegate("root", newer.signed_bytes, newer.signatures)
            if str(root.version) != name.partition(".")[0]:
                raise RepositoryError(f"it says that it is version {root.version}")  # noqa: TRY301 - one refusal for all
        except (RepositoryError, TrustError) as error:
            raise TrustError(
                f"{self._text}: metadata/{name} is not the root before the next one: {error}", hint="use another copy"
            ) from error
        return metadata
