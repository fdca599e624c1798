"""``generate``: files for others that are made of manifests."""

from __future__ import annotations

import click

from pipeline.cli.commands import generate_installers
from pipeline.cli.options import Group, add_common_options


@click.group("generate", cls=Group)
@add_common_options
def command(**_values: object) -> None:
    """Make files for others out of manifests: installers that need no Python."""


for module in (generate_installers,):
    command.add_command(module.command)
