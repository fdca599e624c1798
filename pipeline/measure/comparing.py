"""A bundle beside an earlier one of its target: which layers and files grew, and what an update brings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.growth import Amount, Comparison, FileChange, LayerChange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.model.layer_content import FileFootprint, LayerContent
    from pipeline.model.manifest import Artifact, Layer

    Contents = Mapping[str, LayerContent]
    Placed = dict[tuple[str, str], FileFootprint]


def compare(artifact: Artifact, baseline: Artifact, contents: Contents) -> Comparison:
    """Compare a bundle's mandatory layers with those of another version.

    Args:
        artifact: as it is now.
        baseline: of the same target, as it was.
        contents: tree digest to what is in the layer, of all mandatory layers of both.
    """
    before, after = placed(baseline, contents), placed(artifact, contents)
    known = {file.sha256 for file in before.values()}
    had = {layer.tree_sha256 for layer in mandatory(baseline)}
    return Comparison(
        target=artifact.target,
        version=artifact.version,
        baseline=baseline.version,
        before=Amount(download=baseline.size, installed=baseline.installed_size),
        after=Amount(download=artifact.size, installed=artifact.installed_size),
        layers=tuple(_layer_changes(artifact, baseline)),
        fetch=sum(layer.size for layer in mandatory(artifact) if layer.tree_sha256 not in had),
        new_bytes=sum({file.sha256: file.size for file in after.values() if file.sha256 not in known}.values()),
        files=tuple(sorted(_file_changes(before, after), key=lambda c: (-c.grown, c.layer, c.path))),
    )


def mandatory(artifact: Artifact) -> tuple[Layer, ...]:
    """Return the layers without which a bundle is not one: those that an installation lays."""
    return tuple(layer for layer in artifact.layers if not layer.optional)


def placed(artifact: Artifact, contents: Contents) -> Placed:
    """Return the files of a bundle's mandatory layers, by layer and path."""
    return {
        (layer.name, file.path): file for layer in mandatory(artifact) for file in contents[layer.tree_sha256].files
    }


def _layer_changes(artifact: Artifact, baseline: Artifact) -> Iterator[LayerChange]:
    now = {layer.name: layer for layer in mandatory(artifact)}
    then = {layer.name: layer for layer in mandatory(baseline)}
    for name in dict.fromkeys((*now, *then)):
        yield LayerChange(
            name=name,
            before=_amount(then.get(name)),
            after=_amount(now.get(name)),
            same=name in now and name in then and now[name].tree_sha256 == then[name].tree_sha256,
        )


def _amount(layer: Layer | None) -> Amount | None:
    return None if layer is None else Amount(download=layer.size, installed=layer.installed_size)


def _file_changes(before: Placed, after: Placed) -> Iterator[FileChange]:
    for layer, path in before.keys() | after.keys():
        old, new = before.get((layer, path)), after.get((layer, path))
        if old is None or new is None or (old.sha256, old.mode) != (new.sha256, new.mode):
            yield FileChange(
                layer=layer,
                path=path,
                before=None if old is None else old.size,
                after=None if new is None else new.size,
            )
