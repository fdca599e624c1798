"""Layers of an installation: reused when every file of them is as signed, brought when not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.deploy.changing import set_aside
from pipeline.deploy.side_by_side import in_parallel
from pipeline.deploy.steps import byte_progress, step, warn
from pipeline.digest import require_digest
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.layout import Layout
    from pipeline.deploy.trust import TrustedRepository
    from pipeline.model.manifest import Layer
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk, DownloadRequest, Services


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


@dataclass(frozen=True, slots=True)
class LayerBringer:
    """Downloads and unpacks layers, several at a time.

    Attributes:
        engine: whose layers they are.
        repository: that signs them.
        services: downloader, store, archiver, events, and how many may be brought at a time.
        disk: how files are linked and written.
        staging: folder of this change.
    """

    engine: str
    repository: TrustedRepository
    services: Services
    disk: Disk
    staging: Path

    def bring(self, layers: Iterable[Layer]) -> dict[str, Tree]:
        """Stage layers under ``staging/layers/<tree digest>``; return their files, which are as signed.

        Raises:
            IntegrityError: an archive or a file in it is not what was signed.
            NetworkError, OfflineError, NoSpaceError, TrustError: as their names say.
        """
        wanted = list(layers)
        # Requests come first and one by one: the metadata behind them has one reader.
        requests = [
            self.repository.request(
                engine=self.engine, sha256=layer.sha256, size_bytes=layer.size, what=f"layer {layer.name}"
            )
            for layer in wanted
        ]
        trees = in_parallel(self._stage, list(zip(wanted, requests, strict=True)), jobs=self.services.jobs)
        return {layer.tree_sha256: tree for layer, tree in zip(wanted, trees, strict=True)}

    def _stage(self, wanted: tuple[Layer, DownloadRequest], go_on: Callable[[], None]) -> Tree:
        layer, request = wanted
        was_there = self.services.store.has_blob(layer.sha256)
        self._download(request, go_on)
        try:
            return self._unpack(layer, request.what)
        except IntegrityError as error:
            if not was_there:
                raise
            warn(self.services, f"{error.message}; what an earlier run had downloaded of it is brought anew")
        self._download(request, go_on)
        return self._unpack(layer, request.what)

    def _download(self, request: DownloadRequest, go_on: Callable[[], None]) -> None:
        name = f"download {request.what}"
        progress = byte_progress(self.services, name)

        def told(done: int, total: int | None) -> None:
            go_on()
            progress(done, total)

        with step(self.services, name):
            self.services.downloader.fetch(request, progress=told)

    def _unpack(self, layer: Layer, name: str) -> Tree:
        folder = self.staging / "layers" / layer.tree_sha256
        archive = self.staging / f"{layer.sha256}.tar.zst"
        try:
            with step(self.services, f"unpack {name}"):
                self.disk.make_dirs(folder.parent, durable=False)
                self.disk.link_file(self.services.store.blob_path(layer.sha256), archive)
                tree = self.services.archiver.unpack_signed(
                    archive, folder, sha256=layer.sha256, files_bytes=layer.installed_size
                )
                require_digest(what=f"files of {name}", expected=layer.tree_sha256, found=tree.sha256)
                self.disk.write_file(folder.with_name(f"{layer.tree_sha256}.json"), write_document(tree))
        finally:
            self.services.store.drop_blob(layer.sha256)  # also when it is damaged: it is brought anew then
            self.disk.remove(archive)
        return tree


def keep_layers(layout: Layout, digests: Iterable[str], *, disk: Disk, staging: Path) -> None:
    """Move staged and synced layers to where layers are; the folder of each comes last and makes it count."""
    for tree_sha256 in digests:
        listed = layout.layer_list_path(tree_sha256)
        disk.remove(listed)  # a list without its folder says nothing
        disk.move(staging / "layers" / f"{tree_sha256}.json", listed, durable=False)
        disk.move(staging / "layers" / tree_sha256, layout.layer_dir(tree_sha256), durable=False)
    disk.sync_names(layout.layers_dir)
