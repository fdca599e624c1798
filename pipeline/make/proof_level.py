"""How much of a bundle can be proven on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pipeline.accelerators.interface import NO_REQUIREMENTS
from pipeline.errors import HostError
from pipeline.events import Notice
from pipeline.model.host_rules import foreign, lacks

if TYPE_CHECKING:
    from pipeline.model.manifest import ProofLevel, Requires
    from pipeline.ports import Services


class Proving(Protocol):
    """What a step that proves is told of the level."""

    @property
    def target(self) -> str:
        """``<engine>/<platform>-<accel>``."""
        ...

    @property
    def level(self) -> ProofLevel:
        """Which proofs are wanted."""
        ...

    @property
    def insist(self) -> bool:
        """Whether nothing less will do."""
        ...


def provable(
    action: Proving,
    platform: str,
    requires: Requires,
    services: Services,
    *,
    missing: str = "",
    elsewhere: bool = False,
) -> ProofLevel:
    """Return how much is proven: less than was planned only where this machine cannot run what was measured.

    Args:
        action: the step.
        platform: of what is proven.
        requires: what was measured.
        services: what looks at this machine, and is told.
        elsewhere: whether something on this machine runs the platform's programs, with libraries of its own.
        missing: what else this machine lacks, in words; empty for nothing.

    Raises:
        HostError: it cannot, and nothing less will do.
    """
    if action.level == "none":
        return "none"
    facts = services.host.facts()
    other = foreign(platform, facts)
    if elsewhere and other:
        other, requires = None, NO_REQUIREMENTS
    reasons = (other,) if other else (*lacks(requires, facts), *([missing] if missing else []))
    if not reasons:
        return action.level
    why = "; ".join(reasons)
    if action.insist:
        raise HostError(
            f"{action.target} cannot be run here: {why}",
            hint="prove it on another machine, or take --prove none and say so",
        )
    text = f"{action.target} is measured and not run (proof level none): {why}"
    services.events.emit(Notice(text, "warning"))
    return "none"
