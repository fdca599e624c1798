"""``keys``: the keys that sign a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import clock, key_files
from pipeline.app.settings import program_name
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.passphrase import passphrase_options, read_passphrase
from pipeline.cli.tables import table
from pipeline.errors import UsageError
from pipeline.publish.keys import init_keys

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.publication import KeysOutcome


@click.group("keys")
def command() -> None:
    """Make the keys that sign a repository."""


@command.command("init", cls=Command)
@click.option("--keys", "folder", type=FOLDER, metavar="DIR", help="Folder for the keys.  [default: the user's own]")
@passphrase_options
@click.option("--no-passphrase", is_flag=True, help="Leave the private keys unencrypted.")
@changing_options
def init(
    session: Session,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    *,
    no_passphrase: bool,
) -> None:
    """Make DEVELOPMENT keys: all roles on this machine, one signature each.

    They are for trying things out and for machines of your own. Whoever has the folder (and its passphrase) can sign
    anything your installations trust.
    """
    if no_passphrase and (passphrase_file or passphrase_fd is not None):
        raise UsageError("--no-passphrase excludes the other passphrase options", hint="leave one of them out")
    place = (folder or session.settings.keys_dir).absolute()
    if session.dry_run:
        session.show({"dry_run": True, "folder": str(place)}, lambda: f"would make development keys in {place}")
        return
    passphrase = None
    if not no_passphrase:
        passphrase = read_passphrase(file=passphrase_file, descriptor=passphrase_fd, is_new=True)
    outcome = init_keys(place, passphrase=passphrase, key_files=key_files(), now=clock().now_seconds())
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    session.hint(f"\nnext: {program_name()} publish --to REPOSITORY --keys {place}")


def _text(outcome: KeysOutcome) -> str:
    rows = [
        (role, str(threshold), str(len(keyids)), keyids[0][:12]) for role, (threshold, keyids) in outcome.roles.items()
    ]
    protection = "encrypted with the passphrase" if outcome.encrypted else "NOT encrypted"
    return "\n".join(
        (
            "These are development keys: every role is on this machine. Do not ship what they sign.",
            "",
            table(("role", "needed", "keys", "first key"), rows, right=("needed", "keys")),
            "",
            f"private keys:  {outcome.folder} ({protection})",
            f"trusted root:  {outcome.root_path} (give it to installations; valid until {outcome.expires})",
            f"its sha256:    {outcome.root_sha256}",
        )
    )
