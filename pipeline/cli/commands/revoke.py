"""``revoke``: a build that must not run any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.cli.commands.publish import outcome_text
from pipeline.cli.key_options import open_key_folder, signing_options
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.digest import is_sha256
from pipeline.errors import UsageError
from pipeline.publish.repository import revoke

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("revoke", cls=Command)
@click.argument("target")
@click.option("--version", required=True, metavar="V", help="Of the build.")
@click.option("--reason", required=True, metavar="TEXT", help="One line that users are shown.")
@click.option("--sha256", metavar="HEX", help="Of the bundle, where it is not published any more.")
@click.option("--to", "repository", type=FOLDER, required=True, metavar="DIR", help="The repository.")
@signing_options
@changing_options
def command(  # noqa: PLR0913 - one parameter an option
    session: Session,
    *,
    target: str,
    version: str,
    reason: str,
    sha256: str | None,
    repository: Path,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Publish that a build must not be installed or switched to any more. There is no way back.

    TARGET is ENGINE/PLATFORM-ACCEL. Its files stay; installations that have it are told.
    """
    if sha256 is not None and not is_sha256(sha256):
        raise UsageError("--sha256 is 64 small hexadecimal digits", hint="the manifest has it")
    keys = open_key_folder(session, folder, passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    with build_services(session.settings) as services:
        outcome = revoke(
            target=target,
            version=version,
            reason=reason,
            sha256=sha256,
            to=repository.absolute(),
            keys=keys,
            services=services,
            disk=disk(),
            now=services.clock.now_seconds(),
            dry_run=session.dry_run,
        )
    new = "would revoke" if outcome.dry_run else "revoked"
    verb = new if outcome.changed else "was revoked already:"
    session.show(outcome.model_dump(mode="json"), lambda: f"{verb} {target} {version}\n{outcome_text(outcome)}")
