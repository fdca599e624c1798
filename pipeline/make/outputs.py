"""What a stage hands back, and how a later stage finds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from pipeline.model.result import BlobRef, StepResult, TreeRef
    from pipeline.ports import Services


@dataclass(frozen=True, slots=True)
class Outputs:
    """Outputs of one step by role; everything named here is in the store already.

    Attributes:
        trees: role to tree.
        blobs: role to file.
        facts: plain JSON for later steps and the manifest.
        summary: one line of figures for the screen.
    """

    trees: Mapping[str, TreeRef] = field(default_factory=dict)
    blobs: Mapping[str, BlobRef] = field(default_factory=dict)
    facts: Mapping[str, JsonValue] = field(default_factory=dict)
    summary: str = ""


Results = dict[str, "StepResult"]


def made(
    *,
    trees: Mapping[str, TreeRef] | None = None,
    blobs: Mapping[str, BlobRef] | None = None,
    facts: Mapping[str, JsonValue] | None = None,
    summary: str = "",
) -> Outputs:
    """Return outputs, empty where nothing is given."""
    return Outputs(trees=trees or {}, blobs=blobs or {}, facts=facts or {}, summary=summary)


def verified_tree(tree: TreeRef, services: Services) -> Path:
    """Return where a tree of the store is, after every byte of it was read again.

    Raises:
        IntegrityError: it changed.
    """
    services.store.verify_tree(tree)
    return services.store.tree_path(tree)
