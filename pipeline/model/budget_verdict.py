"""What came of comparing bundles with their budgets and with the release before. Sizes are bytes."""

from __future__ import annotations

from typing import Literal

from pipeline.model.frozen import FileSize, Frozen, Line, Name, RelativePath
from pipeline.model.growth import LayerChange

VERDICT_VERSION: Literal[1] = 1

Measure = Literal["download", "installed", "ready", "resident"]
"""``ready`` is in milliseconds, everything else in bytes."""
LimitKind = Literal["budget", "growth"]


class Figure(Frozen):
    """One thing that was measured, beside its limit.

    Attributes:
        target: whose it is.
        version: of the bundle.
        layer: whose it is; None for the whole bundle.
        measure: what was measured.
        actual: what it is.
        limit: what it may be.
        kind: whether the recipe says the limit, or an earlier release with what it may grow.
        before: what it was in that release; None for a limit of the recipe.
    """

    target: Line
    version: Name
    layer: Name | None = None
    measure: Measure
    actual: int
    limit: int
    kind: LimitKind
    before: int | None = None

    @property
    def excess(self) -> int:
        """By how much it is over; nothing or less where it is not."""
        return self.actual - self.limit

    @property
    def used(self) -> float:
        """Which part of the limit it takes: 1 is all of it."""
        return self.actual / max(self.limit, 1)


class SectionChange(Frozen):
    """A part of a program or library that is not as large as it was.

    Attributes:
        name: ``text``, ``debug`` ... as ``layer_content.SectionSizes`` has them; ``gpu sm_90`` for code of one GPU.
        before: in the release before; 0 where it had none.
        after: now.
    """

    name: Line
    before: FileSize
    after: FileSize


class GrownFile(Frozen):
    """A file that became larger.

    Attributes:
        layer: that has it.
        path: within the layer.
        before: size; None where it is new.
        after: size.
        sections: that grew, the most first; empty where nobody knows.
    """

    layer: Name
    path: RelativePath
    before: FileSize | None
    after: FileSize
    sections: tuple[SectionChange, ...] = ()

    @property
    def grown(self) -> int:
        """By how much."""
        return self.after - (self.before or 0)


class LargeFile(Frozen):
    """A file of a bundle that is too large, and of which no file grew.

    Attributes:
        layer: that has it.
        path: within the layer.
        size: of the file.
    """

    layer: Name
    path: RelativePath
    size: FileSize


class Explanation(Frozen):
    """Why a bundle is over.

    Attributes:
        target: of the bundle.
        version: of the bundle.
        baseline: version that it is compared with; None where there is none.
        layers: that grew, or are new; what grew most comes first.
        files: that grew, or are new, of these layers; what grew most comes first.
        files_shrunk: bytes that other files became smaller by, or that went with them.
        largest: where no file grew, or there is no baseline: the largest files of the layers that are over, or of all.
    """

    target: Line
    version: Name
    baseline: Name | None
    layers: tuple[LayerChange, ...] = ()
    files: tuple[GrownFile, ...] = ()
    files_shrunk: FileSize = 0
    largest: tuple[LargeFile, ...] = ()


class BudgetVerdict(Frozen):
    """All that was compared.

    Attributes:
        schema_version: 1.
        figures: in the order of bundles, those of the whole bundle before those of its layers.
        explanations: one a bundle that is over.
        without_budget: ``<target> <version>`` of bundles for which no recipe says a limit.
        without_baseline: ``<target> <version>`` of those that the baseline has no earlier release of; empty when none
            was asked for.
    """

    schema_version: Literal[1] = VERDICT_VERSION
    figures: tuple[Figure, ...]
    explanations: tuple[Explanation, ...] = ()
    without_budget: tuple[Line, ...] = ()
    without_baseline: tuple[Line, ...] = ()

    @property
    def over(self) -> tuple[Figure, ...]:
        """What is above its limit."""
        return tuple(figure for figure in self.figures if figure.excess > 0)
