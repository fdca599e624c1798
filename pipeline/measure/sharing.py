"""What bundles cost together: each by itself, with every layer once, with every file once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pipeline.measure.comparing import mandatory
from pipeline.model.footprint import SharedFile, Sharing
from pipeline.model.growth import Amount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.model.layer_content import LayerContent
    from pipeline.model.manifest import Artifact, Layer

_SHORT_DIGEST = 8


def sharing(
    scope: Literal["targets", "releases"], artifacts: Sequence[Artifact], contents: Mapping[str, LayerContent]
) -> Sharing:
    """Return what bundles cost together.

    Args:
        scope: what they have in common.
        artifacts: at least one.
        contents: tree digest to what is in the layer, of all their mandatory layers.
    """
    layers = {layer.tree_sha256: layer for artifact in artifacts for layer in mandatory(artifact)}
    sizes: dict[str, int] = {}
    paths: dict[str, set[str]] = {}
    users: dict[str, set[str]] = {}
    for tree_sha256 in layers:
        for file in contents[tree_sha256].files:
            if file.sha256 is not None:
                sizes[file.sha256] = file.size
                paths.setdefault(file.sha256, set()).add(file.path)
                users.setdefault(file.sha256, set()).add(tree_sha256)
    return Sharing(
        scope=scope,
        bundles=len(artifacts),
        naive=Amount(
            download=sum(layer.size for artifact in artifacts for layer in mandatory(artifact)),
            installed=sum(artifact.installed_size for artifact in artifacts),
        ),
        by_layer=Amount(
            download=sum(layer.size for layer in layers.values()),
            installed=sum(layer.installed_size for layer in layers.values()),
        ),
        by_file=sum(sizes.values()),
        shared_files=tuple(
            SharedFile(
                sha256=sha256,
                size=sizes[sha256],
                paths=tuple(sorted(paths[sha256])),
                layers=tuple(sorted(map(_name, (layers[tree] for tree in trees)))),
            )
            for sha256, trees in sorted(users.items(), key=lambda item: (-sizes[item[0]] * (len(item[1]) - 1), item[0]))
            if len(trees) > 1 and sizes[sha256]
        ),
    )


def _name(layer: Layer) -> str:
    return f"{layer.name} {layer.tree_sha256[:_SHORT_DIGEST]}"
