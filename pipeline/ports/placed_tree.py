"""A tree where its files are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.tree import Tree


class PlacedTree(NamedTuple):
    """A tree, and the folder that its files are in."""

    folder: Path
    tree: Tree
