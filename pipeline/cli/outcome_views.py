"""How removals are shown; several commands end in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.tables import size_text
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pipeline.model.installation import RemovalOutcome


def removal_text(outcome: RemovalOutcome) -> str:
    """Return what went, or in a dry run would go."""
    if not (outcome.generations or outcome.layers or outcome.files):
        return "nothing to remove"
    verb = "would remove" if outcome.dry_run else "removed"
    lines = [f"{verb} generation {name}" for name in outcome.generations]
    counts = f"{counted(len(outcome.layers), 'layer')}, {counted(outcome.files, 'file')}"
    lines.append(f"{verb} {counts}, {size_text(outcome.freed_bytes)} in all")
    return "\n".join(lines)
