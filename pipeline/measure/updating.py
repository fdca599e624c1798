"""What updates bring, for every target from one version to the next. Pure, but for the sizes of published deltas."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.measure.comparing import mandatory
from pipeline.model.repository_layout import DeltaTrees
from pipeline.model.updates import Update, UpdateLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.measure.choosing import Chosen
    from pipeline.model.manifest import Artifact, Layer
    from pipeline.model.updates import PublishedDelta

    DeltaOf = Callable[[str, DeltaTrees], PublishedDelta | None]

_DIGITS = 4


def updates(chosen: Chosen, delta_of: DeltaOf | None) -> tuple[Update, ...]:
    """Return every step from a version of a target to its next one, and those to the bundles of a report.

    Args:
        chosen: the bundles, what they are compared with, and all versions.
        delta_of: gives what an engine has published to make one layer out of another; None where no repository is.
    """
    bundles = {artifact.target: artifact for artifact in chosen.bundles}
    found: list[Update] = []
    for name in sorted(chosen.releases):
        steps = list(pairwise(chosen.releases[name]))
        compared = (chosen.baselines[name], bundles[name]) if name in chosen.baselines else None
        wanted = _identity(compared)
        found += [_update(*step, delta_of, compared=_identity(step) == wanted) for step in steps]
        if compared is not None and wanted not in map(_identity, steps):
            found.append(_update(*compared, delta_of, compared=True, to_next=False))
    return tuple(found)


def _identity(step: tuple[Artifact, Artifact] | None) -> tuple[str, ...]:
    """Return what two steps have in common that are the same one: a bundle from elsewhere has other urls."""
    return tuple(artifact.sha256 for artifact in step or ())


def _update(
    before: Artifact, after: Artifact, delta_of: DeltaOf | None, *, compared: bool, to_next: bool = True
) -> Update:
    layers = tuple(_changed(before, after, delta_of))
    return Update(
        target=after.target,
        baseline=before.version,
        version=after.version,
        naive=after.size,
        by_layer=sum(layer.whole for layer in layers),
        with_deltas=None if delta_of is None else sum(layer.brought for layer in layers),
        layers=layers,
        compared=compared,
        to_next=to_next,
    )


def _changed(before: Artifact, after: Artifact, delta_of: DeltaOf | None) -> Iterator[UpdateLayer]:
    had = mandatory(before)
    trees = {layer.tree_sha256 for layer in had}
    for layer in mandatory(after):
        if layer.tree_sha256 not in trees:
            yield _brought(layer, had, after.engine, delta_of)


def _brought(layer: Layer, had: tuple[Layer, ...], engine: str, delta_of: DeltaOf | None) -> UpdateLayer:
    """Say how a layer comes, by the rule of ``install`` (``deploy.deltas``, ``deploy.layers``).

    The smallest delta from any layer that is there is taken, by its signed size; where that one turns out to be
    damaged, the whole layer comes and no other delta is tried. What is missing or of another size is passed over.
    """
    if delta_of is None:
        return UpdateLayer(name=layer.name, whole=layer.size, comes="unmeasured")
    published = (delta_of(engine, DeltaTrees(old.tree_sha256, layer.tree_sha256)) for old in had)
    found = [delta for delta in published if delta is not None]
    offered = [(delta.size, delta.flaw) for delta in found if delta.size is not None]
    if offered:
        size, flaw = min(offered, key=lambda one: one[0])
        if flaw is not None and size < layer.size:
            return UpdateLayer(name=layer.name, whole=layer.size, comes=flaw)
        return UpdateLayer(
            name=layer.name,
            whole=layer.size,
            delta=size,
            ratio=round(size / layer.size, _DIGITS),
            comes="delta" if size < layer.size else "larger",
        )
    if flaws := {delta.flaw for delta in found}:
        return UpdateLayer(name=layer.name, whole=layer.size, comes="damaged" if "damaged" in flaws else "missing")
    known = any(old.name == layer.name for old in had)
    return UpdateLayer(name=layer.name, whole=layer.size, comes="none" if known else "new")
