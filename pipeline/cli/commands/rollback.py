"""``rollback``: switch back to what ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.health_options import health_options
from pipeline.cli.options import Command, changing_options
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.cli.switching import switch_and_show
from pipeline.deploy.switching import Switching

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.deploy.health import HealthWish


@click.command("rollback", cls=Command)
@root_option
@engine_option
@changing_options
@health_options
def command(session: Session, root: Path | None, engine: str | None, health: HealthWish) -> None:
    """Switch back to the generation that was current before, once its files and programs are found well."""
    how = Switching(health, session.settings.pins, dry_run=session.dry_run)
    switch_and_show(session, require_root(root, session.settings), version=None, engine=engine, how=how)
