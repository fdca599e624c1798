"""What ``use`` and ``rollback`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.switching import switch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.cli.session import Session


def switch_and_show(session: Session, root: Path, *, version: str | None, engine: str | None) -> None:
    """Switch to a version, or back when it is None, and show what runs now."""
    outcome = switch(session.settings, root, version, engine=engine)
    session.show(outcome, lambda: _text(outcome))


def _text(outcome: Mapping[str, object]) -> str:
    """Return what runs now and what ran before, from the fields of a ``SwitchOutcome``."""
    if not outcome["changed"]:
        return f"{outcome['engine']} {outcome['version']} is current already"
    return (
        f"{outcome['engine']} {outcome['version']} (generation {outcome['generation']}) is current; before: "
        f"{outcome['previous_version']} (generation {outcome['previous_generation']})\n{outcome['path']}"
    )
