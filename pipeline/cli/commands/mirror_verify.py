"""``mirror verify``: a mirror read again, with nothing but itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import FILE, FOLDER, Command, common_options
from pipeline.cli.trusted_root import named_root
from pipeline.cli.verifying import run_verify
from pipeline.deploy.mirror.layout import MirrorLayout

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("verify", cls=Command, short_help="Read every file of a mirror again; no network.")
@click.argument("mirror", type=FOLDER, metavar="DIR", help="Folder of the mirror.")
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata of the publisher or of a sealed lane.")
@common_options
def command(session: Session, mirror: Path, trusted_root: Path | None) -> None:
    """Read every file of the mirror in DIR again and say of each: verified, changed, missing or unexpected.

    Trust starts from --trusted-root, else from the root that the mirror was made with. Ends with code 7 unless every
    file that the selection needs is verified, and with 8 when the metadata has expired and no sealed lane is fresh.
    """
    layout = MirrorLayout(mirror.absolute())
    layout.check()
    root = named_root(session, trusted_root)
    if root is None and layout.trusted_root_path.is_file():
        root = layout.trusted_root_path.read_bytes()
    run_verify(session, layout.folder, trusted_root=root)
