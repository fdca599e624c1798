"""``mirror sync``: a mirror brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.locations import location_of
from pipeline.cli.mirror_options import mirror_options, run_sync, selection_changes
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.deploy.mirror.completed import last_sync
from pipeline.deploy.mirror.layout import MirrorLayout

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("sync", cls=Command, short_help="Bring a mirror up to date.")
@click.argument("mirror", type=FOLDER, metavar="DIR", help="Folder of the mirror.")
@click.option("--from", "location", metavar="URL_OR_DIR", help="Sync from there from now on.  [default: as before]")
@mirror_options
@changing_options
def command(
    session: Session,
    mirror: Path,
    location: str | None,
    trusted_root: Path | None,
    wheel: Path | None,
    *,
    repair: bool,
    **options: object,
) -> None:
    """Bring the mirror in DIR up to date; only what is new moves.

    What it holds is what mirror.json says; an option changes that from now on. Files are looked at by their size:
    --repair reads every byte, and brings anew what is damaged.
    """
    layout = MirrorLayout(mirror.absolute())
    layout.check()
    source, selection = last_sync(layout)
    changes = selection_changes(session, selection, options)
    run_sync(
        session,
        folder=layout.folder,
        source=source if location is None else location_of(location),
        selection=selection.model_copy(update=changes),
        trusted_root=trusted_root,
        repair=repair,
        wheel=wheel,
    )
