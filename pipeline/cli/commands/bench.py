"""``bench``: what things cost, measured on this machine."""

from __future__ import annotations

import click

from pipeline.cli.commands import bench_fetch, bench_strategies
from pipeline.cli.options import Group, add_common_options


@click.group("bench", cls=Group)
@add_common_options
def command(**_values: object) -> None:
    """Measure on this machine what strategies of getting an engine to a user cost."""


for made in (bench_strategies.command, bench_fetch.command):
    command.add_command(made)
