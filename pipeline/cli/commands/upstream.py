"""``upstream``: what upstream releases hold, and what changed there."""

from __future__ import annotations

import click

from pipeline.cli.commands import upstream_classify, upstream_list, upstream_resolve


@click.group("upstream")
def command() -> None:
    """Understand upstream's releases: what they hold, which one is meant, what changed."""


for subcommand in (upstream_list.command, upstream_resolve.command, upstream_classify.command):
    command.add_command(subcommand)
