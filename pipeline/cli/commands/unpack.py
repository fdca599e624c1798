"""``unpack``: an archive, exactly as an install would take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import archiver
from pipeline.cli.options import FILE, FOLDER, Command, common_options
from pipeline.errors import PipelineError, UsageError
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("unpack", cls=Command)
@click.argument("archive", type=FILE, metavar="ARCHIVE", help="A .tar.zst, .tar.gz, .tar.xz, .tar.bz2 or .zip file.")
@click.option("--to", "destination", type=FOLDER, required=True, metavar="DIR", help="Empty or new folder.")
@common_options
def command(session: Session, archive: Path, destination: Path) -> None:
    """Unpack ARCHIVE, judging every member, or refuse it and leave nothing."""
    if not archive.is_file():
        raise UsageError(f"{archive} is no file", hint="name the archive")
    if destination.exists() and any(destination.iterdir()):
        raise UsageError(f"{destination} is not empty", hint="name a new folder")
    is_new = not destination.exists()
    destination.mkdir(parents=True, exist_ok=True)
    try:
        files = archiver().unpack(archive, destination)
    except PipelineError:
        if is_new and not any(destination.iterdir()):
            destination.rmdir()
        raise
    session.show(
        {"archive": str(archive), "destination": str(destination.absolute()), "files": files},
        lambda: f"{counted(files, 'file')} in {destination}",
    )
