"""``keys``: the keys that sign a repository."""

from __future__ import annotations

import click

from pipeline.cli.commands import keys_change, keys_init, keys_install, keys_new, keys_status
from pipeline.cli.options import Group, add_common_options


@click.group("keys", cls=Group)
@add_common_options
def command(**_values: object) -> None:
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
