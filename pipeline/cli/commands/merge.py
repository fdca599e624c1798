"""``merge``: dist folders of many machines into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.app.settings import program_name
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.tables import size_text
from pipeline.model.counts import counted
from pipeline.publish.joining import join_dists

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.dist_folder import JoinOutcome


@click.command("merge", cls=Command)
@click.argument("dists", type=FOLDER, nargs=-1, required=True, metavar="DIST...", help="Folders with manifest.json.")
@click.option("--to", type=FOLDER, required=True, metavar="DIR", help="Folder that gets everything; what it has stays.")
@changing_options
def command(session: Session, dists: tuple[Path, ...], to: Path) -> None:
    """Join dist folders, made on many machines, into one with one manifest.

    Identical files are taken once. The same target and version with other bytes is an error, and nothing is written.
    """
    with build_services(session.settings) as services:
        outcome = join_dists(
            [dist.absolute() for dist in dists],
            to=to.absolute(),
            services=services,
            disk=disk(),
            dry_run=session.dry_run,
        )
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if not session.dry_run:
        session.hint(f"\nnext: {program_name()} publish --from {outcome.path} --to REPOSITORY")


def _text(outcome: JoinOutcome) -> str:
    verb = "would add" if outcome.dry_run else "added"
    lines = [f"{verb}      {name}" for name in outcome.added]
    lines += [f"unchanged  {name}" for name in outcome.unchanged]
    lines.append(f"{counted(outcome.files_added, 'file')}, {size_text(outcome.bytes_added)}")
    if outcome.files_shared:
        lines.append(f"{outcome.files_shared} more were the same as others, {size_text(outcome.bytes_shared)}")
    return "\n".join(lines)
