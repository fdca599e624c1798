"""Which of the wanted layers have to be brought, for people and for the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.installation import NeededLayer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline.deploy.deltas import LayerDelta
    from pipeline.model.manifest import Layer


def needed_layers(
    wanted: Iterable[Layer],
    *,
    there: Collection[str] | None,
    at_hand: Collection[str],
    deltas: Mapping[str, LayerDelta],
    in_vain: Mapping[str, int] | None = None,
) -> tuple[NeededLayer, ...]:
    """Say of each wanted layer whether it has to be brought.

    Args:
        wanted: in the order in which they are laid.
        there: tree digests of those that the root has; None when it has all.
        at_hand: sha256 of archives that are in given files.
        deltas: tree digest to what makes a layer that is not there.
        in_vain: tree digest of each layer whose delta was of no use, to the bytes that were downloaded of it.
    """
    return tuple(_needed(layer, there, at_hand, deltas.get(layer.tree_sha256), in_vain or {}) for layer in wanted)


def _needed(
    layer: Layer,
    there: Collection[str] | None,
    at_hand: Collection[str],
    delta: LayerDelta | None,
    in_vain: Mapping[str, int],
) -> NeededLayer:
    present = there is None or layer.tree_sha256 in there
    from_file = not present and layer.sha256 in at_hand
    used = not present and delta is not None and layer.tree_sha256 not in in_vain
    came = delta.request.size_bytes or 0 if used and delta is not None else in_vain.get(layer.tree_sha256, 0)
    whole = 0 if present or from_file or used else layer.size
    return NeededLayer(
        name=layer.name,
        tree_sha256=layer.tree_sha256,
        present=present,
        from_file=from_file,
        delta_from=delta.origin if delta is not None and used else None,
        download_bytes=whole + came,
        installed_bytes=layer.installed_size,
    )
