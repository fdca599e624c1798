"""Deltas: which of the layers that are to be brought can be made of one that the root has.

A delta is one more transport of a layer and never needed: whatever is wrong with one, the whole archive is brought.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pipeline.deploy.location import LackingError
from pipeline.deploy.steps import warn
from pipeline.errors import IntegrityError, PipelineError
from pipeline.model.repository_layout import DeltaTrees

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from pipeline.deploy.layout import Layout
    from pipeline.deploy.trust import TrustedRepository
    from pipeline.model.manifest import Layer
    from pipeline.ports import DownloadRequest, Services


class LayerDelta(NamedTuple):
    """What makes a layer out of one that is unpacked here.

    Attributes:
        old: folder of the layer that it starts from.
        origin: what that layer is of, for people: a version, or the beginning of its digest.
        request: how the delta is downloaded.
    """

    old: Path
    origin: str
    request: DownloadRequest


class DeltaPlace(NamedTuple):
    """Where deltas come from and go to.

    Attributes:
        engine: whose layers they make.
        layout: of the installation.
        repository: that signs them.
        services: told of a delta that is damaged; an archive that its store has needs none.
    """

    engine: str
    layout: Layout
    repository: TrustedRepository
    services: Services


def offered_deltas(
    missing: Iterable[Layer], place: DeltaPlace, *, at_hand: Collection[str] = ()
) -> dict[str, LayerDelta]:
    """Return tree digest to the smallest delta of each layer that has one from a layer of the root.

    Args:
        missing: layers that are to be brought.
        place: the old files there are looked at when they are used, and not before.
        at_hand: sha256 of archives in given files.
    """
    there = place.layout.layer_digests()
    found: dict[str, LayerDelta] = {}
    for layer in missing:
        if layer.sha256 in at_hand or place.services.store.has_blob(layer.sha256):
            continue
        for old in there:
            request = _request(DeltaTrees(old, layer.tree_sha256), layer, place)
            if request is None or _size(request) >= min(layer.size, _size_of(found.get(layer.tree_sha256))):
                continue
            origin = _origin(old, place.layout, place.engine)
            found[layer.tree_sha256] = LayerDelta(place.layout.layer_dir(old), origin, request)
    return found


def tell_of_failure(name: str, error: PipelineError, services: Services) -> None:
    """Tell why the whole archive comes instead, also where the disk is full: that takes less room to unpack."""
    warn(services, f"{name} is of no use here, its whole archive is brought: {error.message}")


def _request(trees: DeltaTrees, layer: Layer, place: DeltaPlace) -> DownloadRequest | None:
    try:
        request = place.repository.delta_request(place.engine, trees, what=f"delta of layer {layer.name}")
    except LackingError:  # a copy without deltas is as good as any
        return None
    except IntegrityError as error:
        tell_of_failure(f"the delta of layer {layer.name}", error, place.services)
        return None
    return None if request is None else replace(request, is_optional=True)


def _origin(tree_sha256: str, layout: Layout, engine: str) -> str:
    """Return the newest installed version that has a layer."""
    with suppress(PipelineError):
        for generation in reversed(layout.generations(engine)):
            if any(layer.tree_sha256 == tree_sha256 for layer in generation.artifact.layers):
                return generation.version
    return tree_sha256[:12]


def _size(request: DownloadRequest) -> int:
    return request.size_bytes or 0


def _size_of(delta: LayerDelta | None) -> int:
    return 1 << 62 if delta is None else _size(delta.request)
