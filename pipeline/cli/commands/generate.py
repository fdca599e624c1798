"""``generate``: files for others that are made of manifests."""

from __future__ import annotations

import click

from pipeline.cli.commands import generate_installers


@click.group("generate")
def command() -> None:
    """Make files for others out of manifests: installers that need no Python."""


for module in (generate_installers,):
    command.add_command(module.command)
