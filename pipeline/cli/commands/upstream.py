"""``upstream``: what upstream releases hold, and what changed there."""

from __future__ import annotations

import click

from pipeline.cli.commands import upstream_classify, upstream_drift, upstream_list, upstream_pin, upstream_resolve
from pipeline.cli.options import Group, add_common_options


@click.group("upstream", cls=Group)
@add_common_options
def command(**_values: object) -> None:
    """Understand upstream's releases: what they hold, which one is meant, what changed."""


for module in (upstream_list, upstream_resolve, upstream_classify, upstream_drift, upstream_pin):
    command.add_command(module.command)
