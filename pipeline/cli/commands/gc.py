"""``gc``: remove what no kept generation needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, install_services
from pipeline.cli.options import Command, changing_options
from pipeline.cli.outcome_views import removal_text
from pipeline.cli.root_options import keep_option, require_root, root_option
from pipeline.deploy.removal import gc

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("gc", cls=Command)
@root_option
@keep_option
@changing_options
def command(session: Session, root: Path | None, keep: int | None) -> None:
    """Remove generations beyond those to keep, layers that none of the rest needs, and leftovers of broken runs."""
    place = require_root(root, session.settings)
    with install_services(session.settings, place) as services:
        outcome = gc(
            place,
            services=services,
            disk=disk(),
            keep=keep or session.settings.keep,
            pinned=session.settings.pins,
            dry_run=session.dry_run,
        )
    session.show(outcome.model_dump(mode="json"), lambda: removal_text(outcome))
