"""Layers of an installation: reused when every file of them is as signed, brought when not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.deploy.changing import place_layer, set_aside
from pipeline.deploy.deltas import tell_of_failure
from pipeline.deploy.side_by_side import in_parallel
from pipeline.deploy.steps import byte_progress, step, tell, warn
from pipeline.digest import require_digest
from pipeline.errors import HostError, IntegrityError, NoSpaceError, NowhereError, PipelineError
from pipeline.model.manifest_document import write_document

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.deltas import LayerDelta
    from pipeline.deploy.given_files import FilePart
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
    if tree is None or not comparison.compare_ahead(
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
        given: sha256 of an archive to the file that it is at hand in; others are downloaded.
        deltas: tree digest to what makes the layer out of another one; tried first.
        in_vain: tree digest of each layer whose delta was of no use, to the bytes that were downloaded of it.
    """

    engine: str
    repository: TrustedRepository
    services: Services
    disk: Disk
    staging: Path
    given: Mapping[str, FilePart] = field(default_factory=dict)
    deltas: Mapping[str, LayerDelta] = field(default_factory=dict)
    in_vain: dict[str, int] = field(default_factory=dict)

    def bring(self, layers: Iterable[Layer]) -> dict[str, Tree]:
        """Stage layers under ``staging/layers/<tree digest>``; return their files, which are as signed.

        Raises:
            IntegrityError: an archive or a file in it is not what was signed.
            NetworkError, OfflineError, NoSpaceError, TrustError: as their names say.
        """
        # Requests come first and one by one: the metadata behind them has one reader.
        wanted = [(layer, self._request(layer)) for layer in layers]
        trees = in_parallel(self._stage, wanted, jobs=self.services.jobs, stopping=self._tell_of_stopping)
        return {layer.tree_sha256: tree for (layer, _), tree in zip(wanted, trees, strict=True)}

    def replace(self, layers: Collection[Layer], layout: Layout, comparison: FileComparison) -> dict[str, Tree]:
        """Bring layers after moving away what is damaged of them; ``comparison`` takes the digests of their files.

        Raises:
            IntegrityError, NetworkError, OfflineError, NoSpaceError, TrustError: as ``bring``.
        """
        for layer in layers:
            remove_damaged_layer(layout, layer.tree_sha256, services=self.services, disk=self.disk)
        trees = self.bring(layers)
        for tree_sha256, tree in trees.items():
            comparison.know(self.staging / "layers" / tree_sha256, tree.entries)
        return trees

    def _tell_of_stopping(self) -> None:
        tell(self.services, "stopping; a layer that is being unpacked is unpacked to its end, and kept")

    def _request(self, layer: Layer) -> DownloadRequest | None:
        """Return how a layer's archive is downloaded, None where it is at hand; either way it is a signed one."""
        signed = {"engine": self.engine, "sha256": layer.sha256, "what": f"layer {layer.name}"}
        if layer.sha256 in self.given:
            self.repository.require_signed(**signed, size_bytes=layer.size)
            return None
        return self.repository.request(**signed, size_bytes=layer.size)

    def _stage(self, wanted: tuple[Layer, DownloadRequest | None], go_on: Callable[[], None]) -> Tree:
        layer, request = wanted
        name = f"layer {layer.name}"
        archive = self.staging / f"{layer.sha256}.tar.zst"
        if request is None:
            given = self.given[layer.sha256]
            with step(self.services, f"take {name}", why=str(given.path)):
                self.disk.make_dirs(archive.parent, durable=False)
                _take(given, archive, layer=layer, disk=self.disk)
            return self._unpack(layer, name, archive)
        delta = self.deltas.get(layer.tree_sha256)
        if delta is not None and (tree := self._make(layer, delta, go_on)) is not None:
            return tree
        was_there = self.services.store.has_blob(layer.sha256)
        self._download(request, archive, go_on)
        try:
            return self._unpack(layer, name, archive)
        except IntegrityError as error:
            if not was_there:
                raise
            warn(self.services, f"{error.message}; what an earlier run had downloaded of it is brought anew")
        self._download(request, archive, go_on)
        return self._unpack(layer, name, archive)

    def _make(self, layer: Layer, delta: LayerDelta, go_on: Callable[[], None]) -> Tree | None:
        """Make a layer out of another one; None where that does not work, and then nothing of it is left."""
        name = f"delta of layer {layer.name}"
        sha256 = delta.request.sha256
        archive = self.staging / f"{sha256}.tar.zst"
        folder = self.staging / "layers" / layer.tree_sha256
        self.in_vain[layer.tree_sha256] = 0
        try:
            if not self._download(delta.request, archive, go_on):
                return None
            self.in_vain[layer.tree_sha256] = delta.request.size_bytes or 0
            with step(self.services, f"apply {name}", why=f"from {delta.origin}"):
                self.disk.make_dirs(folder.parent, durable=False)
                tree = self.services.archiver.unpack_delta(
                    archive,
                    folder,
                    old=delta.old,
                    sha256=sha256,
                    tree_sha256=layer.tree_sha256,
                    files_bytes=layer.installed_size,
                    go_on=go_on,
                )
                self.disk.write_file(folder.with_name(f"{layer.tree_sha256}.json"), write_document(tree))
        except PipelineError as error:
            self._forget(sha256, archive)
            tell_of_failure(f"the {name}", error, self.services)
            return None
        del self.in_vain[layer.tree_sha256]
        self._forget(sha256, archive)
        return tree

    def _download(self, request: DownloadRequest, archive: Path, go_on: Callable[[], None]) -> bool:
        """Download a file; False where it is optional and nowhere."""
        name = f"download {request.what}"
        progress = byte_progress(self.services, name)

        def told(done: int, total: int | None) -> None:
            go_on()
            progress(done, total)

        with step(self.services, name):
            try:
                self.services.downloader.fetch(request, progress=told)
            except NowhereError:
                if not request.is_optional:
                    raise
                return False
            self.disk.make_dirs(archive.parent, durable=False)
            self.disk.link_file(self.services.store.blob_path(request.sha256), archive)
        return True

    def _unpack(self, layer: Layer, name: str, archive: Path) -> Tree:
        folder = self.staging / "layers" / layer.tree_sha256
        try:
            with step(self.services, f"unpack {name}"):
                self.disk.make_dirs(folder.parent, durable=False)
                tree = self.services.archiver.unpack_signed(
                    archive, folder, sha256=layer.sha256, files_bytes=layer.installed_size
                )
                require_digest(what=f"files of {name}", expected=layer.tree_sha256, found=tree.sha256)
                self.disk.write_file(folder.with_name(f"{layer.tree_sha256}.json"), write_document(tree))
        except (IntegrityError, NoSpaceError):
            self._forget(layer.sha256, archive)  # it is brought anew
            raise
        self._forget(layer.sha256, archive)
        return tree

    def _forget(self, sha256: str, archive: Path) -> None:
        """Remove an archive; of one that was interrupted the store keeps what was downloaded."""
        self.services.store.drop_blob(sha256)
        self.disk.remove(archive)


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


def keep_layers(layout: Layout, digests: Iterable[str], *, disk: Disk, staging: Path) -> None:
    """Move staged and synced layers to where layers are; the folder of each comes last and makes it count."""
    for tree_sha256 in digests:
        place_layer(layout, tree_sha256, staging, disk)
    disk.sync_names(layout.layers_dir)
