"""One bundle by itself: its layers, and what it could do without. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.measure.comparing import mandatory
from pipeline.model.footprint import (
    BundleFindings,
    BundleFootprint,
    DuplicateFile,
    LayerFootprint,
    LayerUse,
    PlacedFile,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.model.layer_content import FileFootprint, LayerContent
    from pipeline.model.manifest import Artifact, Layer

    Contents = Mapping[str, LayerContent]
    Placed = list[tuple[str, FileFootprint]]

_LIBRARY_SUFFIXES = (".dll", ".pyd", ".dylib")


def bundle_footprint(artifact: Artifact, contents: Contents) -> BundleFootprint:
    """Return what a bundle costs and could do without.

    Args:
        artifact: of the manifest.
        contents: tree digest to what is in the layer, of all its mandatory layers.
    """
    placed = [(layer.name, file) for layer in mandatory(artifact) for file in contents[layer.tree_sha256].files]
    return BundleFootprint(
        target=artifact.target,
        version=artifact.version,
        download=artifact.size,
        installed=artifact.installed_size,
        layers=tuple(map(_use, artifact.layers)),
        requires=artifact.requires,
        findings=BundleFindings(
            unstripped=_sorted(
                PlacedFile(layer=layer, path=file.path, size=file.unstripped_bytes)
                for layer, file in placed
                if file.unstripped_bytes
            ),
            duplicates=_duplicates(placed),
            unlisted_programs=_sorted(_unlisted(artifact, placed)),
        ),
        rehearsal=artifact.rehearsal,
    )


def layer_footprints(artifacts: Iterable[Artifact], contents: Contents) -> tuple[LayerFootprint, ...]:
    """Return the mandatory layers of bundles, each once, by name and then digest."""
    layers: dict[str, Layer] = {}
    users: dict[str, set[str]] = {}
    for artifact in artifacts:
        for layer in mandatory(artifact):
            layers.setdefault(layer.tree_sha256, layer)
            users.setdefault(layer.tree_sha256, set()).add(f"{artifact.target} {artifact.version}")
    return tuple(
        LayerFootprint(
            name=layer.name,
            role=layer.role,
            tree_sha256=layer.tree_sha256,
            download=layer.size,
            installed=layer.installed_size,
            bundles=tuple(sorted(users[layer.tree_sha256])),
            files=contents[layer.tree_sha256].files,
        )
        for layer in sorted(layers.values(), key=lambda layer: (layer.name, layer.tree_sha256))
    )


def _use(layer: Layer) -> LayerUse:
    return LayerUse(
        name=layer.name,
        role=layer.role,
        tree_sha256=layer.tree_sha256,
        download=layer.size,
        installed=layer.installed_size,
        optional=layer.optional,
    )


def _duplicates(placed: Placed) -> tuple[DuplicateFile, ...]:
    paths: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for layer, file in placed:
        if file.sha256 is not None and file.size:
            paths.setdefault(file.sha256, []).append(f"{layer}/{file.path}")
            sizes[file.sha256] = file.size
    found = [
        DuplicateFile(sha256=sha256, size=sizes[sha256], paths=tuple(sorted(named)))
        for sha256, named in paths.items()
        if len(named) > 1
    ]
    return tuple(sorted(found, key=lambda one: (-one.wasted, one.sha256)))


def _unlisted(artifact: Artifact, placed: Placed) -> Iterator[PlacedFile]:
    """Yield programs that no entry point names; an environment's are its packages' own business."""
    listed = set(artifact.entry_points.values())
    for layer, file in () if artifact.environment else placed:
        if file.format and file.mode == "executable" and not _is_library(file.path) and file.path not in listed:
            yield PlacedFile(layer=layer, path=file.path, size=file.size)


def _is_library(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.endswith((*_LIBRARY_SUFFIXES, ".so")) or ".so." in name


def _sorted(files: Iterable[PlacedFile]) -> tuple[PlacedFile, ...]:
    return tuple(sorted(files, key=lambda file: (-file.size, file.layer, file.path)))
