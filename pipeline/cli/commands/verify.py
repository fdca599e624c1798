"""``verify``: every file read again and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import FILE, Command, common_options
from pipeline.cli.trusted_root import named_root
from pipeline.cli.verifying import run_verify

if TYPE_CHECKING:
    from pipeline.cli.session import Session


@click.command("verify", cls=Command)
@click.argument(
    "path",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A root, a bundle, a folder with manifest.json, a repository or a mirror.",
)
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that a repository is checked against.")
@common_options
def command(session: Session, path: Path, trusted_root: Path | None) -> None:
    """Read every file of PATH again and say of each: verified, changed, missing or unexpected.

    Ends with code 7 unless all are verified.
    """
    run_verify(session, path.absolute(), trusted_root=named_root(session, trusted_root))
