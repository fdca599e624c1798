"""The lanes of a mirror: the blobs that they need beside its own selection, and what a seal that died left of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from pipeline.deploy.mirror.signed_chain import possible_lanes, read_chain
from pipeline.deploy.mirror.wanted import wanted_files
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.mirror import MirrorSelection
from pipeline.model.repository_layout import (
    blob_path,
    engine_of_manifest_target,
    role_of_filename,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.manifest import Artifact
    from pipeline.ports import Disk

_INSTALLED = MirrorSelection(with_debug=False, with_bundles=False, with_deltas=False)


def lane_blobs(mirror: Path, folder: str) -> set[str]:
    """Return the digests of all that a lane lists; a lane that is damaged serves nobody, and needs nothing."""
    try:
        return set(read_chain(mirror, folder).targets)
    except IntegrityError:
        return set()


def lane_needs(mirror: Path, folder: str) -> set[str]:
    """Return the digests of what must be there for a lane's artifacts to be installed: lists and mandatory layers.

    A lane may have been sealed before the selection changed; what else of its artifacts is held is not known.
    """
    try:
        targets = _targets(mirror, folder)
        return set(wanted_files(_artifacts(mirror, targets), targets=targets, selection=_INSTALLED))
    except IntegrityError:
        return set()


class HeadlessLane(NamedTuple):
    """A lane without its timestamp, which is written last: nobody can read it.

    Attributes:
        folder: of its metadata, relative to the mirror.
        paths: of its metadata files, relative to the mirror.
        half_made: whether its first seal died; where a version above 1 is there, the lane was whole and is damaged.
    """

    folder: str
    paths: tuple[str, ...]
    half_made: bool


def headless_lanes(mirror: Path) -> tuple[HeadlessLane, ...]:
    """Return the lanes of a mirror that have metadata and no timestamp, by name."""
    found = (_headless(mirror, folder) for folder in possible_lanes(mirror))
    return tuple(lane for lane in found if lane is not None)


def drop_half_made_lanes(mirror: Path, disk: Disk) -> None:
    """Remove what first seals left that died; whoever calls holds the mirror.

    Raises:
        HostError: it cannot be removed.
    """
    for lane in headless_lanes(mirror):
        for path in lane.paths if lane.half_made else ():
            disk.remove(mirror / path)


def _headless(mirror: Path, folder: str) -> HeadlessLane | None:
    place = mirror / folder
    if place.is_symlink() or not place.is_dir():
        return None
    names = sorted(path.name for path in place.iterdir() if path.is_file())
    roles = {name: role for name in names if (role := role_of_filename(name)) is not None}
    if ("timestamp", None) in roles.values():
        return None
    versioned = {name: (role, version) for name, (role, version) in roles.items() if version is not None}
    if not versioned:
        return None
    half_made = all(role == "root" or version == 1 for role, version in versioned.values())
    return HeadlessLane(folder, tuple(f"{folder}/{name}" for name in versioned), half_made)


def _targets(mirror: Path, folder: str) -> dict[str, TargetFile]:
    found: dict[str, TargetFile] = {}
    for data in read_chain(mirror, folder).files.values():
        signed: object = Metadata[Root].from_bytes(data).signed
        if isinstance(signed, Targets):
            found.update(signed.targets)
    return found


def _artifacts(mirror: Path, targets: dict[str, TargetFile]) -> list[Artifact]:
    """Return what the lane's manifests list; one that is not there or damaged is named by whoever looks at blobs."""
    found: list[Artifact] = []
    for path, target in targets.items():
        if engine_of_manifest_target(path) is None:
            continue
        place = mirror / blob_path(target.hashes["sha256"])
        data = place.read_bytes() if place.is_file() else b""
        if sha256_bytes(data) == target.hashes["sha256"]:
            found += read_manifest(data, what=str(place)).artifacts
    return found
