"""``use``: switch to an installed version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Command, common_options
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.cli.switching import switch_and_show

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
    switch_and_show(session, require_root(root, session.settings), version=version, engine=engine)
