"""Puts a layer's files into the store, as a tree and as its archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.result import BlobRef, TreeRef
    from pipeline.ports import Services


class Packed(NamedTuple):
    """A layer in the store.

    Attributes:
        tree: its files.
        archive: its transport.
    """

    tree: TreeRef
    archive: BlobRef

    @property
    def summary(self) -> str:
        """One line of figures: size of the files, of the archive, and their ratio."""
        ratio = self.archive.size_bytes / max(self.tree.size_bytes, 1)
        return f"{self.tree.size_bytes / 1e6:.1f} MB in {self.archive.size_bytes / 1e6:.2f} MB ({ratio:.2f})"


def pack_layer(
    folder: Path, name: str, *, services: Services, work: Path, epoch_seconds: int, zstd_level: int
) -> Packed:
    """Move a folder into the store and pack it; the archive is made from the stored tree, with its settled modes."""
    tree = services.store.add_tree(folder)
    archive = work / f"{name}-{tree.sha256[:12]}.tar.zst"
    services.archiver.pack(services.store.tree_path(tree), archive, epoch_seconds=epoch_seconds, zstd_level=zstd_level)
    return Packed(tree, services.store.add_blob(archive, filename=archive.name))
