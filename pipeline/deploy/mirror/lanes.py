"""The blobs that the lanes of a mirror need beside its own selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from pipeline.deploy.mirror.signed_chain import read_chain
from pipeline.deploy.mirror.wanted import wanted_files
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.mirror import MirrorSelection
from pipeline.model.repository_layout import blob_path, engine_of_manifest_target

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.manifest import Artifact

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
