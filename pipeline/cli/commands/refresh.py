"""``refresh``: signatures that end soon, made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.cli.commands.publish import outcome_text
from pipeline.cli.key_options import open_key_folder, signing_options
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.publish.repository import refresh

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("refresh", cls=Command)
@click.option("--to", "repository", type=FOLDER, required=True, metavar="DIR", help="The repository.")
@signing_options
@changing_options
def command(
    session: Session,
    repository: Path,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Sign again what ends soon, and put a new root in place: for a job that runs every day.

    It needs the keys of snapshot and timestamp alone; what other keys have to sign is left, and said while there is
    time.
    """
    keys = open_key_folder(session, folder, passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    with build_services(session.settings) as services:
        outcome = refresh(
            to=repository.absolute(),
            keys=keys,
            services=services,
            disk=disk(),
            now=services.clock.now_seconds(),
            dry_run=session.dry_run,
        )
    session.show(outcome.model_dump(mode="json"), lambda: outcome_text(outcome))
