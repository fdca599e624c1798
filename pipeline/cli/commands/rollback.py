"""``rollback``: switch back to what ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, switch_services
from pipeline.cli.options import Command, common_options
from pipeline.cli.outcome_views import switch_text
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.deploy.generations import rollback

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("rollback", cls=Command)
@root_option
@engine_option
@common_options
def command(session: Session, root: Path | None, engine: str | None) -> None:
    """Switch back to the generation that was current before, after reading its files again."""
    place = require_root(root, session.settings)
    with switch_services(session.settings) as services:
        outcome = rollback(place, services=services, disk=disk(), engine=engine)
    session.show(outcome.model_dump(mode="json"), lambda: switch_text(outcome))
