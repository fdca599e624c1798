"""Which of the wanted layers have to be brought, for people and for the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.installation import NeededLayer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pipeline.model.manifest import Layer


def needed_layers(
    wanted: Iterable[Layer], *, there: Collection[str] | None, at_hand: Collection[str]
) -> tuple[NeededLayer, ...]:
    """Say of each wanted layer whether it has to be brought.

    Args:
        wanted: in the order in which they are laid.
        there: tree digests of those that the root has; None when it has all.
        at_hand: sha256 of archives that are in given files.
    """
    return tuple(
        NeededLayer(
            name=layer.name,
            tree_sha256=layer.tree_sha256,
            present=(present := there is None or layer.tree_sha256 in there),
            from_file=(from_file := not present and layer.sha256 in at_hand),
            download_bytes=0 if present or from_file else layer.size,
            installed_bytes=layer.installed_size,
        )
        for layer in wanted
    )
