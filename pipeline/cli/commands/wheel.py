"""``wheel``: engines as wheels."""

from __future__ import annotations

import click

from pipeline.cli.commands import wheel_build, wheel_pack, wheel_pin
from pipeline.cli.options import Group, add_common_options


@click.group("wheel", cls=Group)
@add_common_options
def command(**_values: object) -> None:
    """Make wheels of finished bundles and of engines, and pin those that an index says no digests of."""


for made in (wheel_pack.command, wheel_build.command, wheel_pin.pin, wheel_pin.fetch):
    command.add_command(made)
