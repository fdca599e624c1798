"""Layers as installers without Python need them: the list of their files, and a ``.tar.gz`` beside the ``.tar.zst``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.digest import require_digest, sha256_stream
from pipeline.errors import IntegrityError
from pipeline.events import StepFinished, StepStarted
from pipeline.model.installers import GzipArchive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.model.manifest import Artifact, Layer
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk, Services

FILES_FOLDER = "files"


def gzip_name(sha256: str) -> str:
    """Return where the ``.tar.gz`` with that digest lies, relative to the scripts."""
    return f"{FILES_FOLDER}/{sha256}.tar.gz"


@dataclass(frozen=True, slots=True)
class ReadyLayer:
    """One layer.

    Attributes:
        layer: of the manifest.
        tree: its files.
        gzip: its other archive.
        is_new: whether that had to be made; it lies in the work folder then, not beside the scripts.
    """

    layer: Layer
    tree: Tree
    gzip: GzipArchive
    is_new: bool


@dataclass(frozen=True, slots=True)
class LayerReader:
    """Reads layers and makes their gzip archives.

    Attributes:
        archive_of: an artifact's layer to its ``.tar.zst`` on this machine.
        folder: with the scripts, and with what was made for earlier ones.
        work_dir: for what is half-made; on the file system of ``folder`` where anything is moved there.
        known: sha256 of a ``.tar.zst`` to the ``.tar.gz`` that was made of it before; it is looked at again.
        services: archiver and events.
        disk: how the work folder is changed.
    """

    archive_of: Callable[[Artifact, Layer], Path]
    folder: Path
    work_dir: Path
    known: Mapping[str, GzipArchive]
    services: Services
    disk: Disk

    def read(self, artifact: Artifact, layer: Layer) -> ReadyLayer:
        """Read a layer whole.

        Raises:
            IntegrityError: its archive is not what the manifest says.
            NoSpaceError, HostError: as their names say.
        """
        name = f"layer {layer.name} of {artifact.target} {artifact.version}"
        self.services.events.emit(StepStarted(f"read {name}"))
        began = self.services.clock.monotonic()
        archive = self.work_dir / f"{layer.sha256}.tar.zst"  # a blob's name does not say what it is
        try:
            self._take(self.archive_of(artifact, layer), archive, layer, name)
            tree = self._unpacked(archive, layer, name)
            known = self.known.get(layer.sha256)
            made = known if known is not None and self._holds(known, archive) else self._make(archive, layer)
        finally:
            self.disk.remove(archive)
        self.services.events.emit(StepFinished(f"read {name}", self.services.clock.monotonic() - began))
        return ReadyLayer(layer, tree, made, is_new=made is not known)

    def _take(self, path: Path, archive: Path, layer: Layer, name: str) -> None:
        if not path.is_file() or path.stat().st_size != layer.size:
            raise IntegrityError(f"{path}, {name}, is not there or has not {layer.size} bytes", hint="bring it anew")
        self.disk.link_file(path, archive)

    def _unpacked(self, archive: Path, layer: Layer, name: str) -> Tree:
        folder = self.work_dir / "layer"
        try:
            tree = self.services.archiver.unpack_signed(
                archive, folder, sha256=layer.sha256, files_bytes=layer.installed_size
            )
        finally:
            self.disk.remove(folder)
        require_digest(what=f"files of {name}", expected=layer.tree_sha256, found=tree.sha256)
        return tree

    def _holds(self, known: GzipArchive, archive: Path) -> bool:
        path = self.folder / gzip_name(known.sha256)
        if not path.is_file() or path.stat().st_size != known.size:
            return False
        with path.open("rb") as stream:
            if sha256_stream(stream) != (known.sha256, known.size):
                return False
        return self.services.archiver.is_gzip_of(archive, path)

    def _make(self, archive: Path, layer: Layer) -> GzipArchive:
        path = self.work_dir / f"{layer.sha256}.tar.gz"
        self.services.archiver.write_gzip(archive, path)
        with path.open("rb") as stream:
            sha256, size = sha256_stream(stream)
        return GzipArchive(layer=layer.sha256, sha256=sha256, size=size)
