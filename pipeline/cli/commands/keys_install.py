"""``keys install``: a finished root into a key folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.settings import program_name
from pipeline.cli.commands.keys_init import keys_text
from pipeline.cli.key_options import keys_option, open_key_folder
from pipeline.cli.named_files import read_named
from pipeline.cli.options import FILE, Command, changing_options
from pipeline.publish.key_parts import install_root

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("install", cls=Command)
@click.argument("root", type=FILE)
@keys_option
@changing_options
def command(session: Session, root: Path, folder: Path | None) -> None:
    """Bring a root that enough holders have signed into a key folder; `publish` and `refresh` then publish it."""
    keys = open_key_folder(session, folder)
    outcome = install_root(keys, read_named(root), what=str(root), dry_run=session.dry_run)
    session.show(outcome.model_dump(mode="json"), lambda: keys_text(outcome))
    session.hint(f"\nnext, where a repository is signed: {program_name()} refresh --to REPOSITORY --keys DIR")
