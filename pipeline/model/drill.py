"""What a drill of a mirror found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import Frozen
from pipeline.model.manifest import ProofLevel

DrillState = Literal["ran", "installed", "lacking", "failed"]
"""``installed``: it was installed, and this machine lacks what is needed to run it. ``lacking``: not even installed, as
this machine lacks the Python that a bundle of wheels alone is installed over."""


class DrillRow(Frozen):
    """One target.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: that was installed, the newest that the mirror holds.
        bytes: that were installed.
        seconds: from the start of the command to its end.
        devices: compute devices that the engine listed.
        outcome: what came of it.
        detail: why it failed or was not run; what it said of itself when it ran.
    """

    target: str
    version: str
    bytes: int = Field(ge=0)
    seconds: float = Field(ge=0)
    devices: tuple[str, ...] = ()
    outcome: DrillState
    detail: str = ""


class DrillReport(Frozen):
    """What a drill found.

    Attributes:
        mirror: its folder.
        platform: of this machine; targets for others were left out.
        isolation: what was seen from inside the network namespace.
        health: how far the engines were tried.
        installer: version that was installed from the mirror's own wheels and did the rest; None when it has none.
        rows: every target, in their order.
        revoked: builds for this platform that the mirror holds and their publisher has withdrawn, with the reason; they
            are not drilled, as nobody may install them.
        seconds: of all.
    """

    mirror: str
    platform: str
    isolation: str
    health: ProofLevel
    installer: str | None
    rows: tuple[DrillRow, ...]
    revoked: tuple[str, ...] = ()
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing failed and something ran."""
        return all(row.outcome != "failed" for row in self.rows) and any(row.outcome == "ran" for row in self.rows)
