"""What ``use`` and ``rollback`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.switching import switch
from pipeline.cli.health_options import health_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from pipeline.cli.session import Session
    from pipeline.deploy.switching import Switching


def switch_and_show(session: Session, root: Path, *, version: str | None, engine: str | None, how: Switching) -> None:
    """Switch to a version, or back when it is None, and show what runs now."""
    outcome = switch(session.settings, root, version, engine=engine, how=how)
    session.show(outcome, lambda: "\n".join(filter(None, _lines(outcome))))


def _lines(outcome: Mapping[str, Any]) -> list[str]:
    """Return what runs now and what ran before, from the fields of a ``SwitchOutcome``."""
    name, dry_run = f"{outcome['engine']} {outcome['version']}", outcome["dry_run"]
    is_now, will_be = ("would be", "would no longer be") if dry_run else ("is", "is no longer")
    pins = [f"{outcome['engine']} {will_be} pinned"] if outcome["unpinned"] else []
    pins += [f"{outcome['engine']} {is_now} pinned to {outcome['version']}"] if outcome["pinned"] else []
    if not outcome["changed"]:
        return [f"{name} is current already", *pins]
    before = f"{outcome['previous_version']} (generation {outcome['previous_generation']})"
    switched = (
        f"would switch to {name} (generation {outcome['generation']}); current: {before}"
        if dry_run
        else f"{name} (generation {outcome['generation']}) is current; before: {before}"
    )
    return [switched, health_text(outcome["health"]), *pins, outcome["path"]]
