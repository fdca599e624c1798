"""``keys``: the keys that sign a repository."""

from __future__ import annotations

import click

from pipeline.cli.commands import keys_change, keys_init, keys_install, keys_new, keys_status


@click.group("keys")
def command() -> None:
    """Make, change and look at the keys that sign a repository."""


for made in (
    keys_init.command,
    keys_new.new,
    keys_new.add,
    keys_install.command,
    keys_change.rotate_command,
    keys_change.revoke_command,
    keys_status.command,
):
    command.add_command(made)
