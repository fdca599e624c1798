"""Files of layers laid into a folder by hard links, as a list says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from pipeline.composing import folders_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.model.manifest import LayerRole
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk


class LayerSource(NamedTuple):
    """A layer that is at hand, every file as signed.

    Attributes:
        role: what it is for.
        tree: its files.
        folder: where they are.
    """

    role: LayerRole
    tree: Tree
    folder: Path


def lay(tree: Tree, *, origin: Mapping[str, str], sources: Mapping[str, Path], destination: Path, disk: Disk) -> None:
    """Write a tree into a folder, its files and links as hard links to those of the layers.

    Args:
        tree: of all layers together.
        origin: path to the digest of the layer it comes from.
        sources: digest of a layer to its folder.
        destination: made here where it is not there; no path of the tree may be taken in it.
        disk: how it is written.
    """
    links = {entry.path: os.fspath(sources[origin[entry.path]] / entry.path) for entry in tree.entries}
    disk.link_tree(links, destination, folders=folders_of(tree.entries))
