"""What a whole release has: the bundles that somebody planned, before any machine makes one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pipeline.model.frozen import Frozen, Name

TargetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*/[A-Za-z0-9][A-Za-z0-9._+-]*$")]
"""``<engine>/<platform>-<accel>``."""


class PlannedBundle(Frozen):
    """One bundle that a release is to have.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
    """

    target: TargetName
    version: Name

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.target} {self.version}"


class ReleasePlan(Frozen):
    """Every bundle of a release, as ``plan --format release-plan`` writes them.

    Attributes:
        schema_version: 1.
        bundles: each once.
    """

    schema_version: Literal[1] = 1
    bundles: tuple[PlannedBundle, ...] = Field(min_length=1)


class Partial(Frozen):
    """Why a manifest is not that of a whole release.

    Attributes:
        missing: what the release was to have and has not, in the order of artifacts, each once.
    """

    missing: tuple[PlannedBundle, ...] = Field(min_length=1)
