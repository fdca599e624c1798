"""A sync carried out, in the order that keeps every moment consistent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.mirror.bringing import bring, put_in_place, require_room, take_away
from pipeline.deploy.mirror.completed import CompletedSync, forget_completed, write_completed
from pipeline.deploy.mirror.installer import drop_installer, installer_files, put_installer
from pipeline.deploy.mirror.metadata_writing import write_metadata
from pipeline.deploy.mirror.models import bring_models, put_models
from pipeline.deploy.mirror.source_metadata import TIMESTAMP
from pipeline.deploy.steps import step
from pipeline.digest import sha256_bytes
from pipeline.model.mirror_paths import COPIES
from pipeline.model.repository_layout import MIRROR_FILE, MODELS_FOLDER, blob_path

if TYPE_CHECKING:
    from pipeline.deploy.location import RepositoryLocation
    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.deploy.mirror.planning import SyncPlan
    from pipeline.deploy.mirror.request import MirrorRequest
    from pipeline.ports import Disk, Services


def apply(
    plan: SyncPlan,
    request: MirrorRequest,
    layout: MirrorLayout,
    *,
    place: RepositoryLocation,
    services: Services,
    disk: Disk,
) -> None:
    """Download everything, then move files in, switch the metadata, and take away what nobody wants any more.

    Until the first file moves the mirror is untouched. The record of what is complete goes before that, and is written
    again when all is done.

    Raises:
        PipelineError: as ``sync``.
    """
    require_room(layout.folder, plan.bytes_to_bring, services)
    bring(plan.missing, place, services)
    models = bring_models(plan.models, request, services)
    if plan.needs_installer and request.installer is not None:
        request.installer.bring(layout, services, disk)
    forget_completed(layout, disk)
    if plan.changes_anything:
        with step(services, "switch"):
            put_in_place(plan.missing, layout, services, disk)
            put_models(models, layout, services, disk)
            if plan.needs_installer:
                put_installer(layout, disk)
            write_metadata(
                layout.folder / plan.metadata_folder, plan.metadata, staging_dir=layout.staging_dir, disk=disk
            )
            for name, data in plan.copies.items():
                disk.replace_file(layout.folder / name, data, staging_dir=layout.staging_dir)
            take_away(plan.outdated, layout, disk)
            if plan.drops_installer:
                drop_installer(layout, disk)
    pinned = layout.trusted_root_path  # so that later commands need not be told
    if not pinned.is_file() or pinned.read_bytes() != request.trusted_root:
        disk.replace_file(pinned, request.trusted_root, staging_dir=layout.staging_dir)
    _clear_downloads(layout, disk)
    write_completed(layout, _record(plan, request, layout), disk)


def _record(plan: SyncPlan, request: MirrorRequest, layout: MirrorLayout) -> CompletedSync:
    files = {blob_path(sha256): file.size_bytes for sha256, file in plan.wanted.items()}
    files |= {f"{plan.metadata_folder}/{name}": len(data) for name, data in plan.metadata.items() if name != TIMESTAMP}
    files |= {name: (layout.folder / name).stat().st_size for name in COPIES}
    files |= {f"{MODELS_FOLDER}/{model.filename}": model.size for model in plan.document.models}
    if request.installer is not None:
        files |= installer_files(layout.installer_dir)
    return CompletedSync(
        source=plan.document.source,
        selection=request.selection,
        snapshot_sha256=plan.snapshot_sha256,
        document_sha256=sha256_bytes((layout.folder / MIRROR_FILE).read_bytes()),
        installer_key="" if request.installer is None else request.installer.key,
        artifacts=len(plan.document.artifacts),
        revoked=plan.revoked,
        files=files,
    )


def _clear_downloads(layout: MirrorLayout, disk: Disk) -> None:
    """Remove what interrupted syncs had brought and this one did not want."""
    for name in ("blobs", "partials"):
        for path in sorted((layout.downloads_dir / name).iterdir()):
            disk.remove(path)
