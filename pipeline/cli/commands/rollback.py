"""``rollback``: switch back to what ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Command, common_options
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.cli.switching import switch_and_show

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("rollback", cls=Command)
@root_option
@engine_option
@common_options
def command(session: Session, root: Path | None, engine: str | None) -> None:
    """Switch back to the generation that was current before, after reading its files again."""
    switch_and_show(session, require_root(root, session.settings), version=None, engine=engine)
