"""The lanes of a mirror: the blobs that they need beside its own selection, and what a seal that died left of one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from pipeline.deploy.mirror.signed_chain import read_chain
from pipeline.deploy.mirror.wanted import wanted_files
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.mirror import MirrorSelection
from pipeline.model.repository_layout import (
    LANE_PATTERN,
    LANES_FOLDER,
    blob_path,
    engine_of_manifest_target,
    metadata_folder,
    role_of_filename,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.manifest import Artifact
    from pipeline.ports import Disk

_INSTALLED = MirrorSelection(with_debug=False, with_bundles=False)


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


def half_made_files(mirror: Path) -> dict[str, tuple[str, ...]]:
    """Return what first seals left that died: metadata folder of a lane to the paths of its files.

    The timestamp comes last, so nobody can have read such a lane. Where a version above 1 is there, the lane was whole
    once and is damaged now.
    """
    lanes = (path.name for path in (mirror / LANES_FOLDER).glob("*") if re.fullmatch(LANE_PATTERN, path.name))
    found = {folder: _half_made(mirror / folder) for folder in map(metadata_folder, sorted(lanes))}
    return {folder: tuple(f"{folder}/{name}" for name in names) for folder, names in found.items() if names}


def drop_half_made_lanes(mirror: Path, disk: Disk) -> None:
    """Remove what first seals left that died; whoever calls holds the mirror.

    Raises:
        HostError: it cannot be removed.
    """
    for paths in half_made_files(mirror).values():
        for path in paths:
            disk.remove(mirror / path)


def _half_made(metadata_dir: Path) -> list[str]:
    if metadata_dir.is_symlink() or not metadata_dir.is_dir():
        return []
    names = sorted(path.name for path in metadata_dir.iterdir() if path.is_file())
    roles = {name: found for name in names if (found := role_of_filename(name)) is not None}
    if ("timestamp", None) in roles.values() or any(
        role != "root" and version not in {None, 1} for role, version in roles.values()
    ):
        return []
    return [name for name, (_, version) in roles.items() if version is not None]


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
