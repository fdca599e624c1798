"""``merge``: dist folders of many machines into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.app.settings import program_name
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.planning import expect_option, read_release_plans
from pipeline.cli.tables import size_text
from pipeline.model.counts import counted
from pipeline.publish.joining import Whole, join_dists

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.dist_folder import JoinOutcome


@click.command("merge", cls=Command)
@click.argument("dists", type=FOLDER, nargs=-1, required=True, metavar="DIST...", help="Folders with manifest.json.")
@click.option("--to", type=FOLDER, required=True, metavar="DIR", help="Folder that gets everything; what it has stays.")
@expect_option
@click.option("--partial", is_flag=True, help="Allow a release that lacks something; its manifest says what.")
@changing_options
def command(session: Session, dists: tuple[Path, ...], to: Path, expect: tuple[Path, ...], *, partial: bool) -> None:
    """Join dist folders, made on many machines, into one with one manifest.

    Identical files are taken once. The same target and version with other bytes is an error, and nothing is written;
    so is a release that lacks what --expect, or a folder's own manifest, says that it has.
    """
    whole = Whole(read_release_plans(expect), partial)
    with build_services(session.settings) as services:
        outcome = join_dists(
            [dist.absolute() for dist in dists],
            to=to.absolute(),
            services=services,
            disk=disk(),
            whole=whole,
            dry_run=session.dry_run,
        )
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if outcome.missing:
        session.warn(f"the release is partial: {counted(len(outcome.missing), 'bundle')} of what was planned missing")
    elif not outcome.planned:
        session.warn("nothing says what the whole release has, so a job that failed is not missed; --expect says it")
    if not session.dry_run:
        asked = f"{' --rehearsal' if outcome.rehearsal else ''}{' --partial' if outcome.missing else ''}"
        session.hint(f"\nnext: {program_name()} publish --from {outcome.path} --to REPOSITORY{asked}")


def _text(outcome: JoinOutcome) -> str:
    verb = "would add" if outcome.dry_run else "added"
    lines = [f"{verb}      {name}" for name in outcome.added]
    lines += [f"unchanged  {name}" for name in outcome.unchanged]
    lines += [f"missing    {name}" for name in outcome.missing]
    lines.append(f"{counted(outcome.files_added, 'file')}, {size_text(outcome.bytes_added)}")
    if outcome.files_shared:
        lines.append(f"{outcome.files_shared} more were the same as others, {size_text(outcome.bytes_shared)}")
    return "\n".join(lines)
