"""Puts a layer's files into the store, as a tree and as its archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.events import StepProgress
from pipeline.model.counts import sized

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.layer_action import LayerAction
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
        """One line of figures: size of the files, of the archive, and how much of the one the other is."""
        share = 100 * self.archive.size_bytes / max(self.tree.size_bytes, 1)
        return f"{sized(self.tree.size_bytes)}, packed {sized(self.archive.size_bytes)} ({share:.0f} % of that)"


def pack_layer(
    folder: Path, action: LayerAction, step: str, *, services: Services, work: Path, name: str | None = None
) -> Packed:
    """Move a folder into the store and pack it; the archive is made from the stored tree, with its settled modes.

    Packing takes by far the longest of all that is done for a large layer, so its progress is told.

    Args:
        folder: of the layer's files.
        action: whose layer it is.
        step: that is told how far it is.
        services: with the store.
        work: where the archive is made.
        name: of the archive; the layer's where none is given.
    """
    tree = services.store.add_tree(folder)
    archive = work / f"{name or action.layer_name}-{tree.sha256[:12]}.tar.zst"
    services.archiver.pack(
        services.store.tree_path(tree),
        archive,
        epoch_seconds=action.epoch_seconds,
        zstd_level=action.zstd_level,
        progress=lambda done, total: services.events.emit(
            StepProgress(step, done, total, "bytes", f"packing {archive.name}")
        ),
    )
    return Packed(tree, services.store.add_blob(archive, filename=archive.name))
