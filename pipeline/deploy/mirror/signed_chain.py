"""What one lane of a mirror signs now, read without asking the clock: for copying it, not for installing.

The chain starts at the lane's oldest root that is there, so it shows damage and age, not forgery. Trust comes
from ``TrustedRepository`` with a root that somebody was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from pipeline.deploy.mirror.export_index import open_plain
from pipeline.errors import IntegrityError
from pipeline.model.mirror_export import LARGEST_SMALL_FILE_BYTES
from pipeline.model.mirror_paths import is_public
from pipeline.model.repository_layout import LANES_FOLDER, METADATA_FOLDER, metadata_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tuf.api.metadata import MetaFile, TargetFile

_MOST_ROOTS = 1024
_MOST_ROLES = 1024


@dataclass(slots=True)
class SignedChain:
    """The current metadata of a lane.

    Attributes:
        folder: metadata folder, relative to the mirror.
        files: name to bytes, in the order in which they may be put in place: roots first, the timestamp last.
        versions: role to its version.
        targets: sha256 to size of everything that is signed.
        listed: TUF target path to what is signed of it.
    """

    folder: str
    files: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    targets: dict[str, int] = field(default_factory=dict)
    listed: dict[str, TargetFile] = field(default_factory=dict)


def lane_folders(mirror: Path) -> tuple[str, ...]:
    """Return the metadata folders of a mirror that hold a timestamp, the repository's own first."""
    folders = (METADATA_FOLDER, *possible_lanes(mirror))
    return tuple(folder for folder in folders if (mirror / folder / "timestamp.json").is_file())


def possible_lanes(mirror: Path) -> tuple[str, ...]:
    """Return where the metadata of lanes would be, by the folders that there are in ``lanes/``, sorted."""
    return tuple(metadata_folder(path.name) for path in sorted((mirror / LANES_FOLDER).glob("*")) if path.is_dir())


def how_to_mend(path: str) -> str:
    """Return what brings damaged metadata of a mirror anew, by where it lies."""
    if path.startswith(f"{LANES_FOLDER}/"):
        return "`mirror seal --anew` signs the lane again where its keys are; `mirror import` brings it from an export"
    return "`mirror sync --repair` brings what is damaged anew, or `mirror import` from a whole export"


def read_chain(mirror: Path, folder: str) -> SignedChain:
    """Read the roots and the current metadata of a lane, each signed as the one above it says.

    Raises:
        IntegrityError: a file is missing, malformed, not signed as it must be, or is not the one that is listed.
    """
    return _ChainReader(mirror, folder).read()


class _ChainReader:
    def __init__(self, mirror: Path, folder: str) -> None:
        self._mirror = mirror
        self._chain = SignedChain(folder)

    def read(self) -> SignedChain:
        chain = self._chain
        root = self._roots()
        # The timestamp is read first and put in place last.
        timestamp, timestamp_data = self._signed("timestamp.json", root, "timestamp")
        if not isinstance(timestamp, Timestamp):
            raise self._damaged("timestamp.json", "it is metadata of another role")
        snapshot = self._listed(timestamp.snapshot_meta, "snapshot", root)
        if not isinstance(snapshot, Snapshot):
            raise self._damaged("snapshot", "it is metadata of another role")
        self._all_targets(snapshot, root)
        chain.files["timestamp.json"] = timestamp_data
        chain.versions["timestamp"] = timestamp.version
        return chain

    def _roots(self) -> Root:
        names = sorted(
            (int(path.name.partition(".")[0]), path.name)
            for path in (self._mirror / self._chain.folder).glob("*.root.json")
            if path.name.partition(".")[0].isdecimal()
        )[:_MOST_ROOTS]
        root: Root | None = None
        for version, name in names:
            data = self._read(name)
            parsed = self._parse(name, data)
            if parsed.signed.type != "root" or parsed.signed.version != version:
                raise self._damaged(name, "it is no root of that version")
            if root is not None:
                if version != root.version + 1:
                    raise self._damaged(name, f"the one before it, {root.version}, is not the next lower")
                self._verify(name, root, "root", parsed)
            self._verify(name, parsed.signed, "root", parsed)
            root = parsed.signed
            self._chain.files[name] = data
        if root is None:
            raise self._damaged("root.json", "there is no root")
        self._chain.versions["root"] = root.version
        return root

    def _all_targets(self, snapshot: Snapshot, root: Root) -> None:
        waiting: list[tuple[Root | Targets, str]] = [(root, "targets")]
        while waiting:
            delegator, role = waiting.pop()
            if role in self._chain.versions:
                continue
            if len(self._chain.versions) > _MOST_ROLES:
                raise self._damaged(role, f"there are more than {_MOST_ROLES} roles")
            targets = self._targets(snapshot, delegator, role)
            delegated = () if targets.delegations is None else targets.delegations.roles or {}
            waiting += [(targets, name) for name in delegated]

    def _targets(self, snapshot: Snapshot, delegator: Root | Targets, role: str) -> Targets:
        meta = snapshot.meta.get(f"{role}.json")
        if meta is None:
            raise self._damaged(role, "the snapshot does not list it")
        targets = self._listed(meta, role, delegator)
        if not isinstance(targets, Targets):
            raise self._damaged(role, "it is metadata of another role")
        for target in targets.targets.values():
            sha256 = target.hashes.get("sha256")
            if sha256 is None or self._chain.targets.setdefault(sha256, target.length) != target.length:
                raise self._damaged(role, "it signs a file without its sha256, or with two sizes")
        self._chain.listed |= {
            path: target for path, target in targets.targets.items() if path not in self._chain.listed
        }
        return targets

    def _listed(self, meta: MetaFile, role: str, delegator: Root | Targets) -> Snapshot | Targets | Root | Timestamp:
        name = f"{meta.version}.{role}.json"
        signed, data = self._signed(name, delegator, role)
        try:
            meta.verify_length_and_hashes(data)
        except LengthOrHashMismatchError as error:
            raise self._damaged(name, f"it is not the one that is listed: {error}") from error
        if signed.version != meta.version:
            raise self._damaged(name, "it has another version than its name")
        self._chain.files[name] = data
        self._chain.versions[role] = signed.version
        return signed

    def _signed(
        self, name: str, delegator: Root | Targets, role: str
    ) -> tuple[Snapshot | Targets | Root | Timestamp, bytes]:
        data = self._read(name)
        metadata = self._parse(name, data)
        self._verify(name, delegator, role, metadata)
        return metadata.signed, data

    def _verify(self, name: str, delegator: Root | Targets, role: str, metadata: Metadata[Root]) -> None:
        try:
            delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except (RepositoryError, ValueError) as error:
            raise self._damaged(name, str(error)) from error

    def _parse(self, name: str, data: bytes) -> Metadata[Root]:
        try:
            return Metadata[Root].from_bytes(data)
        except DeserializationError as error:
            raise self._damaged(name, "it is malformed") from error

    def _read(self, name: str) -> bytes:
        if not is_public(f"{self._chain.folder}/{name}"):
            raise self._damaged(name, "a role of that name has no file")
        try:
            with open_plain(self._mirror / self._chain.folder / name) as stream:
                data = stream.read(LARGEST_SMALL_FILE_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._damaged(name, "it is missing") from error
        if len(data) > LARGEST_SMALL_FILE_BYTES:
            raise self._damaged(name, "it is too long")
        return data

    def _damaged(self, name: str, why: str) -> IntegrityError:
        return IntegrityError(
            f"{self._mirror / self._chain.folder / name}: {why}",
            hint=how_to_mend(self._chain.folder),
        )
