"""Layers of an installation: reused when every file of them is as signed, brought when not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.changing import set_aside
from pipeline.deploy.steps import byte_progress, step, warn
from pipeline.digest import require_digest
from pipeline.errors import HostError, IntegrityError
from pipeline.model.manifest_document import write_document

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.given_files import FilePart
    from pipeline.deploy.layout import Layout
    from pipeline.deploy.trust import TrustedRepository
    from pipeline.model.manifest import Layer
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk, Services


def reusable_layer(layout: Layout, tree_sha256: str, *, comparison: FileComparison) -> Tree | None:
    """Return a layer's files after reading all of them, None when it is not there or not whole.

    Args:
        layout: of the installation.
        tree_sha256: its signed identity.
        comparison: takes the findings, and the digests of what was read.
    """
    try:
        tree = layout.layer_tree(tree_sha256)
    except IntegrityError:
        return None
    if tree is None or not comparison.compare_tree(
        layout.layer_dir(tree_sha256), tree.entries, name=f"layers/{tree_sha256}"
    ):
        return None
    return tree


def remove_damaged_layer(layout: Layout, tree_sha256: str, *, services: Services, disk: Disk) -> None:
    """Move a layer that is not whole away; it is never patched. One that is not there is left at that."""
    if layout.layer_dir(tree_sha256).is_dir():
        warn(services, f"layer {tree_sha256} in {layout.root} is damaged and is installed anew")
        set_aside(layout.layer_dir(tree_sha256), layout.staging_dir, disk)


def stage_layer(
    layer: Layer,
    *,
    engine: str,
    repository: TrustedRepository,
    services: Services,
    disk: Disk,
    staging: Path,
    given: FilePart | None = None,
) -> Tree:
    """Bring and unpack a layer into ``staging/layers/<tree digest>``; return its files, which are as signed.

    Args:
        layer: of a signed manifest.
        engine: whose layer it is.
        repository: that it is signed in.
        services: downloader, archiver.
        disk: how staging is written.
        staging: an empty folder of this installation.
        given: its archive where it is at hand; it is downloaded otherwise.

    Raises:
        IntegrityError: the archive or a file in it is not what was signed.
        NetworkError, OfflineError, NoSpaceError, TrustError: as their names say.
    """
    name = f"layer {layer.name}"
    folder = staging / "layers" / layer.tree_sha256
    archive = staging / f"{layer.sha256}.tar.zst"
    disk.make_dirs(folder, durable=False)
    if given is None:
        request = repository.request(engine=engine, sha256=layer.sha256, size_bytes=layer.size, what=name)
        with step(services, f"download {name}"):
            blob = services.downloader.fetch(request, progress=byte_progress(services, f"download {name}"))
    else:
        blob = None
        repository.require_signed(engine=engine, sha256=layer.sha256, size_bytes=layer.size, what=name)
        with step(services, f"take {name}", why=str(given.path)):
            _take(given, archive, layer=layer, disk=disk)
    with step(services, f"unpack {name}"):
        if blob is not None:
            services.store.copy_blob(blob, archive)
            services.store.drop_blob(blob.sha256)
        services.archiver.unpack(archive, folder)
        disk.remove(archive)
        tree = services.trees.scan(folder)
        require_digest(what=f"files of {name}", expected=layer.tree_sha256, found=tree.sha256)
        disk.write_file(staging / "layers" / f"{layer.tree_sha256}.json", write_document(tree))
    return tree


def _take(given: FilePart, archive: Path, *, layer: Layer, disk: Disk) -> None:
    """Copy a layer's archive out of a file; what is unpacked is the copy whose bytes were checked."""
    try:
        found, size = disk.copy_file(given.path, archive, offset_bytes=given.offset_bytes, size_bytes=given.size_bytes)
    except FileNotFoundError as error:
        raise HostError(f"{given.path} is gone", hint="leave the file where it is until the command ends") from error
    what = f"layer {layer.name} in {given.path}"
    if size != layer.size:
        raise IntegrityError(f"{what} has {size} bytes and {layer.size} are signed", hint="the file was changed")
    require_digest(what=what, expected=layer.sha256, found=found)


def keep_layer(layout: Layout, tree_sha256: str, *, disk: Disk, staging: Path) -> None:
    """Move a staged and synced layer to where layers are; the folder comes last and makes it count."""
    listed = layout.layer_list_path(tree_sha256)
    disk.remove(listed)  # a list without its folder says nothing
    disk.move(staging / "layers" / f"{tree_sha256}.json", listed)
    disk.move(staging / "layers" / tree_sha256, layout.layer_dir(tree_sha256))
