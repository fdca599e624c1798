"""What became of bundles from one version to another. Sizes are bytes."""

from __future__ import annotations

from pipeline.model.frozen import FileSize, Frozen, Line, Name, RelativePath


class Amount(Frozen):
    """What something costs to bring, and to keep.

    Attributes:
        download: compressed, as it is transferred.
        installed: sum of the files.
    """

    download: FileSize
    installed: FileSize


class FileChange(Frozen):
    """A file that is not what it was.

    Attributes:
        layer: that has it.
        path: within the layer.
        before: size; None where it is new.
        after: size; None where it is gone.
    """

    layer: Name
    path: RelativePath
    before: FileSize | None
    after: FileSize | None

    @property
    def grown(self) -> int:
        """How many bytes it became larger."""
        return (self.after or 0) - (self.before or 0)


class LayerChange(Frozen):
    """A layer of a bundle then and now.

    Attributes:
        name: of the layer.
        before: None where it is new.
        after: None where it is gone.
        same: it did not change, and nothing is fetched for it.
    """

    name: Name
    before: Amount | None
    after: Amount | None
    same: bool


class Comparison(Frozen):
    """A bundle beside the release that it is compared with.

    Attributes:
        target: of both.
        version: of the bundle.
        baseline: version of what it is compared with.
        before: sizes of the baseline.
        after: sizes of the bundle.
        layers: of both, in the bundle's order, those that are gone last.
        fetch: archives of the mandatory layers that changed; ``Update`` says what of them comes by delta.
        new_bytes: of the installed files, what no file of the baseline has.
        files: that changed, were added or removed; what grew most comes first.
    """

    target: Line
    version: Name
    baseline: Name
    before: Amount
    after: Amount
    layers: tuple[LayerChange, ...]
    fetch: FileSize
    new_bytes: FileSize
    files: tuple[FileChange, ...]


class GrowthPoint(Frozen):
    """One version of a target.

    Attributes:
        version: as upstream calls it.
        download: of the bundle.
        installed: of its mandatory layers.
        layers: installed size by name of the mandatory layers, in their order.
    """

    version: Name
    download: FileSize
    installed: FileSize
    layers: dict[Name, FileSize]


class Growth(Frozen):
    """A target over its releases.

    Attributes:
        target: that grew.
        points: by version, the oldest first.
    """

    target: Line
    points: tuple[GrowthPoint, ...]
