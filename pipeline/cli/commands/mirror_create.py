"""``mirror create``: a mirror of a repository, or of a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.settings import program_name
from pipeline.cli.locations import location_of
from pipeline.cli.mirror_options import mirror_options, run_sync, selection_changes
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.model.mirror import MirrorSelection

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("create", cls=Command, short_help="Make a mirror of a repository, or of a part of it.")
@click.option("--from", "location", required=True, metavar="URL_OR_DIR", help="The repository.")
@click.option("--to", "folder", type=FOLDER, required=True, metavar="DIR", help="Folder of the mirror; made when new.")
@mirror_options
@changing_options
def command(
    session: Session,
    location: str,
    folder: Path,
    trusted_root: Path | None,
    wheel: Path | None,
    *,
    repair: bool,
    **options: object,
) -> None:
    """Make a mirror of a repository: a verified part of it that `install --from` takes as it takes the whole.

    Everything is checked against the trusted root before it is held. Interrupted, the same command goes on.
    """
    selection = MirrorSelection().model_copy(update=selection_changes(session, MirrorSelection(), options))
    place = folder.absolute()
    run_sync(
        session,
        folder=place,
        source=location_of(location),
        selection=selection,
        trusted_root=trusted_root,
        repair=repair,
        wheel=wheel,
    )
    if not session.dry_run:
        session.hint(f"\nnext: {program_name()} mirror verify {place}; later: {program_name()} mirror sync {place}")
