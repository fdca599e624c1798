"""``generate``: files for others: installers out of manifests, workflows out of recipes."""

from __future__ import annotations

import click

from pipeline.cli.commands import generate_ci, generate_installers
from pipeline.cli.options import Group, add_common_options


@click.group("generate", cls=Group)
@add_common_options
def command(**_values: object) -> None:
    """Make files for others: installers that need no Python, and workflows for CI."""


for module in (generate_ci, generate_installers):
    command.add_command(module.command)
