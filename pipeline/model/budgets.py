"""What bundles may weigh and their proof may take, as recipes say it: about what comes out, so it enters no key."""

from __future__ import annotations

import fnmatch
import math
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from pipeline.model.frozen import FileSize, Frozen, Name
from pipeline.model.manifest import Origin

TargetPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*?][A-Za-z0-9._+*?\[\]-]{0,127}$")]
"""A target without its engine, or a glob of them: ``linux-x86_64-cuda-*``."""
_Limit = Annotated[FileSize, Field(gt=0)]


def is_named(short: str, pattern: str) -> bool:
    """Tell whether a pattern is of a target, which is given without its engine."""
    return fnmatch.fnmatchcase(short, pattern)


class AllowedGrowth(Frozen):
    """How much larger something may be than in the release before; the larger of the two is allowed.

    Attributes:
        fraction: of what it was: 0.05 is five percent.
        floor_bytes: always allowed, since five percent of little is nothing.
    """

    fraction: float = Field(ge=0, le=10, allow_inf_nan=False)
    floor_bytes: FileSize = 0

    def limit(self, before: int) -> int:
        """Return how large it may be that was ``before`` bytes."""
        return before + max(math.floor(before * self.fraction), self.floor_bytes)


class SizeLimits(Frozen):
    """The most that something may weigh; what is not said has no limit.

    Attributes:
        download_bytes: compressed, as it is transferred.
        installed_bytes: sum of the files.
    """

    download_bytes: _Limit | None = None
    installed_bytes: _Limit | None = None


class BundleBudget(SizeLimits):
    """Limits of some bundles.

    Attributes:
        targets: of which, without the engine; globs may be among them.
        origin: only of those that came to be so; None for all.
        ready_milliseconds: from the start of the proof's server until it was ready.
        resident_bytes: most memory that this server had.
        layers: name of a layer to its limits; a bundle need not have it.
        growth: what is allowed for these bundles instead of the engine's.
    """

    targets: tuple[TargetPattern, ...] = Field(min_length=1)
    origin: Origin | None = None
    ready_milliseconds: int | None = Field(default=None, gt=0)
    resident_bytes: _Limit | None = None
    layers: dict[Name, SizeLimits] = {}
    growth: AllowedGrowth | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if not self.model_fields_set - {"targets", "origin"}:
            raise ValueError("limits nothing")
        return self

    def names(self, short: str) -> bool:
        """Tell whether it is of a target, which is given without its engine."""
        return any(is_named(short, pattern) for pattern in self.targets)


class Budgets(Frozen):
    """All budgets of an engine. Every table that is of a bundle holds; of two limits of one thing the smaller.

    Attributes:
        growth: against the release before; None compares with no release.
        web_ui: what the web interface may add to a bundle that was built with it, and to its core.
        bundles: the tables.
    """

    growth: AllowedGrowth | None = None
    web_ui: SizeLimits = SizeLimits()
    bundles: tuple[BundleBudget, ...] = ()
