"""``uninstall``: remove an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, install_services
from pipeline.cli.options import Command, changing_options
from pipeline.cli.outcome_views import removal_text
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.deploy.removal import uninstall

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("uninstall", cls=Command)
@root_option
@engine_option
@changing_options
def command(session: Session, root: Path | None, engine: str | None) -> None:
    """Remove every generation of an engine, and the layers that no other engine uses."""
    place = require_root(root, session.settings)
    with install_services(session.settings, place) as services:
        outcome = uninstall(place, services=services, disk=disk(), engine=engine, dry_run=session.dry_run)
    session.show(outcome.model_dump(mode="json"), lambda: removal_text(outcome))
