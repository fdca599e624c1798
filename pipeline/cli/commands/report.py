"""``report``: what bundles cost."""

from __future__ import annotations

import click

from pipeline.cli.commands import report_check, report_footprint
from pipeline.cli.options import Group, add_common_options


@click.group("report", cls=Group)
@add_common_options
def command(**_values: object) -> None:
    """Write reports: what bundles cost, in pictures and numbers, and whether they are within their budgets."""


for module in (report_footprint, report_check):
    command.add_command(module.command)
