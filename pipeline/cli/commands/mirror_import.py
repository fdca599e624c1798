"""``mirror import``: parts of an export joined, judged and put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.cli.options import FILE, FOLDER, Command, changing_options
from pipeline.cli.tables import size_text
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.mirror.importing import import_export
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.errors import PartialError
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.mirror_export import ImportOutcome

_SHOWN = 8


@click.command("import", cls=Command)
@click.option(
    "--from",
    "sources",
    type=FOLDER,
    multiple=True,
    required=True,
    metavar="DIR",
    help="Folder with parts; repeats. The disk with index.json comes first, the others in any order.",
)
@click.option("--to", type=FOLDER, required=True, metavar="MIRROR", help="Folder of the mirror; made when not there.")
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the publisher gave you.")
@changing_options
def command(session: Session, sources: tuple[Path, ...], to: Path, trusted_root: Path | None) -> None:
    """Bring an export into MIRROR; call it once a disk, or with all of them.

    Nothing of the mirror changes until every part came and everything in it was verified from the trusted root. While
    parts are missing it ends with code 13 and names them.
    """
    mirror = to.absolute()
    root = find_trusted_root(session, flag=trusted_root, pinned=MirrorLayout(mirror).trusted_root_path)
    with build_services(session.settings) as services:
        outcome = import_export(
            tuple(source.absolute() for source in sources),
            mirror,
            trusted_root=root,
            services=services,
            disk=disk(),
            dry_run=session.dry_run,
        )
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if not outcome.complete:
        session.end_with(_missing(outcome))


def _text(outcome: ImportOutcome) -> str:
    came = f"{counted(len(outcome.taken), 'part')} {'would be ' if outcome.dry_run else ''}taken"
    if not outcome.complete:
        return f"export {outcome.id}: {came}, {len(outcome.missing)} are missing"
    if outcome.dry_run:
        return f"export {outcome.id}: {came}; nothing is missing"
    if not outcome.changed:
        return f"{outcome.mirror} has export {outcome.id} already (timestamp version {outcome.timestamp})"
    added = f"{counted(outcome.files_added, 'file')} ({size_text(outcome.bytes_added)}) came, all verified"
    return f"{outcome.mirror} is export {outcome.id} now (timestamp version {outcome.timestamp}): {added}"


def _missing(outcome: ImportOutcome) -> PartialError:
    shown = ", ".join(outcome.missing[:_SHOWN])
    more = f" and {len(outcome.missing) - _SHOWN} more" if len(outcome.missing) > _SHOWN else ""
    return PartialError(
        f"still missing: {shown}{more}",
        hint="run the same command with the next disk; what came is kept, and the mirror is as it was",
    )
