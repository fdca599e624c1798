"""``use``: switch to an installed version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, switch_services
from pipeline.cli.options import Command, common_options
from pipeline.cli.outcome_views import switch_text
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.deploy.generations import use

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("use", cls=Command)
@click.argument("version", metavar="VERSION", help="A version that `list` shows.")
@root_option
@engine_option
@common_options
def command(session: Session, version: str, root: Path | None, engine: str | None) -> None:
    """Switch to an installed VERSION after reading its files again."""
    place = require_root(root, session.settings)
    with switch_services(session.settings) as services:
        outcome = use(place, version, services=services, disk=disk(), engine=engine)
    session.show(outcome.model_dump(mode="json"), lambda: switch_text(outcome))
