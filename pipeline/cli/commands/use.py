"""``use``: switch to an installed version, or hold an engine at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.health_options import health_options
from pipeline.cli.options import Command, changing_options
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.cli.switching import switch_and_show
from pipeline.deploy.switching import Switching
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.deploy.health import HealthWish


@click.command("use", cls=Command)
@click.argument("version", required=False, metavar="[VERSION]", help="A version that `list` shows.")
@root_option
@engine_option
@click.option("--pin", is_flag=True, help="Hold the engine at VERSION: nothing else is installed or switched to.")
@click.option("--unpin", is_flag=True, help="Let the engine go; VERSION is not needed then.")
@changing_options
@health_options
def command(
    session: Session,
    version: str | None,
    root: Path | None,
    engine: str | None,
    health: HealthWish,
    *,
    pin: bool,
    unpin: bool,
) -> None:
    """Switch to an installed VERSION after reading its files again and starting its programs."""
    if pin and unpin:
        raise UsageError("--pin and --unpin exclude each other", hint="give one of them")
    if version is None and not unpin:
        raise UsageError("which version is meant is not said", hint="`list` shows what is installed")
    place = require_root(root, session.settings)
    how = Switching(health, session.settings.pins, pin, unpin, session.dry_run)
    switch_and_show(session, place, version=version, engine=engine, how=how)
