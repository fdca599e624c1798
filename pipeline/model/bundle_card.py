"""What a bundle says of itself: the file ``bundle.json`` at its root."""

from __future__ import annotations

from typing import Literal

from pipeline.model.frozen import Frozen
from pipeline.model.tree import TreeEntry


class BundleCard(Frozen):
    """What a bundle says of itself, the file ``bundle.json`` at its root: the artifact without its own transport.

    Attributes:
        schema_version: 1.
        artifact: the fields of ``Artifact`` but url, sha256 and size, as plain JSON.
        files: every file of the layers that are in the bundle.
    """

    schema_version: Literal[1]
    artifact: dict[str, object]
    files: tuple[TreeEntry, ...]
