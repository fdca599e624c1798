"""What a sync has to do: the mirror as it is beside the mirror as it shall be. Nothing is changed here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.bringing import missing_files
from pipeline.deploy.mirror.choosing import choose
from pipeline.deploy.mirror.installer import own_names
from pipeline.deploy.mirror.lanes import lane_blobs
from pipeline.deploy.mirror.metadata_writing import differing, outdated
from pipeline.deploy.mirror.models import held_models, missing_models, unwanted_models, wanted_models
from pipeline.deploy.mirror.signed_chain import lane_folders
from pipeline.deploy.mirror.wanted import wanted_files
from pipeline.deploy.offering import revoked_among
from pipeline.deploy.shapes import walk
from pipeline.model.manifest_document import write_document, write_manifest
from pipeline.model.mirror import HeldArtifact, MirrorChange, MirrorDocument
from pipeline.model.mirror_paths import kind_of, sha256_of_blob
from pipeline.model.repository_layout import (
    BLOBS_FOLDER,
    MANIFEST_COPY,
    MIRROR_FILE,
    MODELS_FOLDER,
    README,
    blob_path,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.deploy.mirror.request import MirrorRequest
    from pipeline.deploy.mirror.source_metadata import MetadataReader
    from pipeline.deploy.mirror.wanted import WantedFile
    from pipeline.deploy.trust import TrustedRepository
    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.model.mirror import FileKind
    from pipeline.model.model_recipe import ModelRecipe
    from pipeline.ports import Services

_README_TEXT = b"""A mirror of a signed repository of engine bundles (The Update Framework), made by `mirror sync`.

Installers read metadata/ and blobs/ only: every byte that they use is checked against metadata/, which is signed.
mirror.json says what is held; it and manifest.json are UNSIGNED copies for people and scripts that only look.
"""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What is to be done.

    Attributes:
        before: ``mirror.json`` as it is; None for a new mirror.
        document: as it shall be.
        metadata_folder: below the mirror: the repository's own, or that of the lane that is mirrored.
        metadata: every metadata file by name, in the order of writing.
        new_metadata: names of those that are not there.
        snapshot_sha256: of the snapshot among them.
        wanted: every blob to hold, by digest.
        missing: those that have to be brought.
        models: those that have to be brought.
        revoked: which of the artifacts were withdrawn by their publisher, with the reason.
        copies: name to bytes of the files for people.
        outdated: files that go after the switch.
        needs_installer: whether the installer's files have to be made anew.
        drops_installer: whether they are there and not wanted any more.
    """

    before: MirrorDocument | None
    document: MirrorDocument
    metadata_folder: str
    metadata: dict[str, bytes]
    new_metadata: tuple[str, ...]
    snapshot_sha256: str
    wanted: dict[str, WantedFile]
    missing: tuple[WantedFile, ...]
    models: tuple[ModelRecipe, ...]
    revoked: tuple[str, ...]
    copies: dict[str, bytes]
    outdated: tuple[Path, ...]
    needs_installer: bool
    drops_installer: bool

    @property
    def changes_anything(self) -> bool:
        """Whether the mirror is not as it shall be."""
        return bool(
            self.missing
            or self.new_metadata
            or self.models
            or self.copies
            or self.outdated
            or self.needs_installer
            or self.drops_installer
        )

    @property
    def bytes_to_bring(self) -> int:
        """Bytes that have to be downloaded, but those of the installer, which pip alone knows."""
        return sum(file.size_bytes for file in self.missing) + sum(model.size_bytes for model in self.models)

    def changes(self, folder: Path) -> tuple[MirrorChange, ...]:
        """Return every file that comes or goes, sorted by path."""
        found = [_added(file.kind, blob_path(file.sha256), file.size_bytes) for file in self.missing]
        found += [_added("model", f"{MODELS_FOLDER}/{model.filename}", model.size_bytes) for model in self.models]
        found += [
            _added("metadata", f"{self.metadata_folder}/{name}", len(self.metadata[name])) for name in self.new_metadata
        ]
        for path in self.outdated:
            name = path.relative_to(folder).as_posix()
            found.append(MirrorChange(action="remove", kind=kind_of(name), path=name, size=path.lstat().st_size))
        return tuple(sorted(found, key=lambda change: (change.path, change.action)))


def make_plan(
    request: MirrorRequest,
    layout: MirrorLayout,
    repository: TrustedRepository,
    reader: MetadataReader,
    *,
    before: MirrorDocument | None,
    services: Services,
) -> SyncPlan:
    """Compare what is there with what is wanted.

    Raises:
        PipelineError: as ``sync``; nothing was changed.
    """
    manifests = [repository.manifest(engine) for engine in repository.engines()]
    metadata = reader.everything()
    artifacts = choose((artifact for manifest in manifests for artifact in manifest.artifacts), request.selection)
    wanted = wanted_files(artifacts, targets=metadata.targets, selection=request.selection)
    models = held_models(request)
    document = _document(request, repository, artifacts, before=before, now=services.clock.now_seconds())
    copies = {
        MANIFEST_COPY: _manifest_copy(artifacts, manifests),
        README: _README_TEXT,
        MIRROR_FILE: write_document(document),
    }
    metadata_dir = layout.folder / repository.metadata_folder
    return SyncPlan(
        before=before,
        document=document,
        metadata_folder=repository.metadata_folder,
        metadata=metadata.files,
        new_metadata=differing(metadata_dir, metadata.files),
        snapshot_sha256=reader.snapshot_sha256(),
        wanted=wanted,
        missing=missing_files(layout, wanted, repair=request.repair, jobs=services.jobs),
        revoked=revoked_among(repository, artifacts),
        models=missing_models(layout, wanted_models(request), repair=request.repair),
        copies={name: copies[name] for name in differing(layout.folder, copies)},
        outdated=(
            *outdated(metadata_dir, metadata.files),
            *(_damaged_metadata(metadata_dir, metadata.files, repository) if request.repair else ()),
            *unwanted_models(layout, models),
            *_unwanted_blobs(layout, wanted, mirrored=repository.metadata_folder),
        ),
        needs_installer=_needs_installer(request, layout),
        drops_installer=request.installer is None and bool(own_names(layout.installer_dir)),
    )


def _needs_installer(request: MirrorRequest, layout: MirrorLayout) -> bool:
    installer, folder = request.installer, layout.installer_dir
    if installer is None:
        return False
    return not installer.is_there(folder) or (request.repair and not installer.is_intact(folder))


def _damaged_metadata(metadata_dir: Path, current: Iterable[str], repository: TrustedRepository) -> tuple[Path, ...]:
    """Return files of earlier versions that are kept and are not signed as they must be: they cannot be brought."""
    known = set(outdated(metadata_dir, current))
    kept = [path for path in sorted(metadata_dir.glob("*.json")) if path.name not in set(current) and path not in known]
    return tuple(
        path for path in kept if path.is_file() and repository.is_signed_metadata(path.name, path.read_bytes()) is False
    )


def _document(
    request: MirrorRequest,
    repository: TrustedRepository,
    artifacts: Iterable[Artifact],
    *,
    before: MirrorDocument | None,
    now: int,
) -> MirrorDocument:
    document = MirrorDocument(
        repository=repository.identity,
        source=repository.location,
        development=repository.development,
        selection=request.selection,
        artifacts=tuple(HeldArtifact(target=a.target, version=a.version, sha256=a.sha256) for a in artifacts),
        models=held_models(request),
        changed_at=f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    if before is not None and document.model_copy(update={"changed_at": before.changed_at}) == before:
        return before
    return document


def _manifest_copy(artifacts: Sequence[Artifact], manifests: Iterable[Manifest]) -> bytes:
    """Return one manifest of what is held, named after the newest release that it comes from."""
    newest = max(manifests, key=lambda manifest: manifest.created)
    return write_manifest(artifacts, release=newest.release, created=newest.created)


def _unwanted_blobs(layout: MirrorLayout, wanted: dict[str, WantedFile], *, mirrored: str) -> list[Path]:
    """Return blobs that neither the selection nor another lane of the mirror needs."""
    kept = set(wanted)
    for folder in lane_folders(layout.folder):
        if folder != mirrored:
            kept |= lane_blobs(layout.folder, folder)
    found = []
    for path, place in walk(layout.blobs_dir):
        sha256 = sha256_of_blob(f"{BLOBS_FOLDER}/{path}")
        if sha256 is not None and sha256 not in kept:
            found.append(layout.blobs_dir / os.path.relpath(place, layout.blobs_dir))
    return sorted(found)


def _added(kind: FileKind, path: str, size: int) -> MirrorChange:
    return MirrorChange(action="add", kind=kind, path=path, size=size)
