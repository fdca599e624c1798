"""``mirror du``: what a mirror's space goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import FOLDER, Command, common_options
from pipeline.cli.tables import size_text, table
from pipeline.deploy.mirror.usage import mirror_usage
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.mirror import MirrorUsage, UsageRow


@click.command("du", cls=Command, short_help="Show what a mirror's space goes to, and what is shared.")
@click.argument("mirror", type=FOLDER, metavar="DIR", help="Folder of the mirror.")
@common_options
def command(session: Session, mirror: Path) -> None:
    """Show the space of the mirror in DIR by target, version and kind.

    `each its own` is what the files would take if every artifact had its own; `alone` is what would be free if that
    target or version were gone.
    """
    usage = mirror_usage(mirror.absolute())
    session.show(usage.model_dump(mode="json"), lambda: _text(usage))


def _text(usage: MirrorUsage) -> str:
    share = usage.shared_bytes / usage.logical_bytes if usage.logical_bytes else 0
    total = (
        f"{counted(usage.artifacts, 'artifact')}: {size_text(usage.stored_bytes)} stored for"
        f" {size_text(usage.logical_bytes)} of files; {size_text(usage.shared_bytes)} ({share:.0%}) shared"
    )
    tables = (_rows("target", usage.targets), _rows("version", usage.versions), _rows("kind", usage.kinds, "stored"))
    return "\n\n".join((*tables, total))


def _rows(heading: str, rows: Sequence[UsageRow], alone: str = "alone") -> str:
    lines = [
        (row.name, str(row.artifacts or "-"), size_text(row.logical_bytes), size_text(row.own_bytes)) for row in rows
    ]
    headings = (heading, "artifacts", "each its own", alone)
    return table(headings, lines, right=headings[1:])
