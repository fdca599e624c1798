"""What updates bring from one version to the next: the whole bundle, layers, or deltas. Sizes are bytes."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from pipeline.model.frozen import FileSize, Frozen, Line, Name

DeltaFlaw = Literal["missing", "damaged"]
"""Of a delta that is signed: the repository lacks the file, or it has other bytes."""

Coming = Literal["delta", "new", "none", "larger", "missing", "damaged", "unmeasured"]
"""How a changed layer comes: by ``delta``; or whole, and why.

``new``: the version before has no layer of that name; ``none``: no delta of it is published; ``larger``: the delta is
not smaller than the layer; ``missing`` and ``damaged``: the delta is signed and of no use; ``unmeasured``: there is no
repository that could have one.
"""


class PublishedDelta(NamedTuple):
    """A delta that is signed.

    Attributes:
        size: as signed; None where ``install`` passes it over at sight, the file being missing or of another size.
        flaw: what is wrong with it; None for nothing, as far as it was looked at.
    """

    size: int | None
    flaw: DeltaFlaw | None = None


class UpdateLayer(Frozen):
    """A layer that an update brings.

    Attributes:
        name: of the layer.
        whole: its archive.
        delta: the smallest one that is published, taken or not; None where there is none, or where it is of no use.
        ratio: of the delta to the archive.
        comes: by delta, or why it comes whole.
    """

    name: Name
    whole: FileSize
    delta: FileSize | None = None
    ratio: float | None = Field(default=None, ge=0)
    comes: Coming

    @property
    def brought(self) -> int:
        """How many bytes come."""
        return self.delta if self.comes == "delta" and self.delta is not None else self.whole


class Update(Frozen):
    """A target from one version to the next.

    Attributes:
        target: of both.
        baseline: version that a host has.
        version: that it gets.
        naive: the self-contained bundle.
        by_layer: archives of the mandatory layers that changed.
        with_deltas: the same with deltas where they are taken; None where there is no repository that could have any.
        layers: those that changed, in the bundle's order.
        compared: it leads from the baseline of this report to a bundle of it.
        to_next: it leads from a version to the next one; not where the baseline is an older one, or another bundle.
    """

    target: Line
    baseline: Name
    version: Name
    naive: FileSize
    by_layer: FileSize
    with_deltas: FileSize | None
    layers: tuple[UpdateLayer, ...]
    compared: bool = False
    to_next: bool = True

    @property
    def brought(self) -> int:
        """What comes, as far as it was measured."""
        return self.by_layer if self.with_deltas is None else self.with_deltas

    @property
    def by_delta(self) -> tuple[UpdateLayer, ...]:
        """The layers that come by delta."""
        return tuple(layer for layer in self.layers if layer.comes == "delta")
