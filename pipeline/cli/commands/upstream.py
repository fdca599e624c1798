"""``upstream``: what upstream releases hold, and what changed there."""

from __future__ import annotations

import click

from pipeline.cli.commands import upstream_classify


@click.group("upstream")
def command() -> None:
    """Understand upstream's releases: what they hold, which one is meant, what changed."""


command.add_command(upstream_classify.command)
