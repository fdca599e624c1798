"""``bench fetch``: one file of a known digest, as everything else here is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, open_services
from pipeline.cli.options import FILE, Command, common_options
from pipeline.cli.tables import size_text
from pipeline.digest import is_sha256
from pipeline.errors import UsageError
from pipeline.measure.fetching import fetch_file

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("fetch", cls=Command, short_help="Download one file of a known digest.")
@click.argument("url", metavar="URL", help="Of the file: https, or http where that is all there is.")
@click.option("--sha256", required=True, metavar="HEX", help="That the file must have.")
@click.option("--size-bytes", type=click.IntRange(min=0), required=True, metavar="N", help="That the file must have.")
@click.option(
    "--to", "path", type=FILE, required=True, metavar="FILE", help="Where it goes; replaced when it is there."
)
@common_options
def command(session: Session, url: str, sha256: str, size_bytes: int, path: Path) -> None:
    """Download one file of a known digest: `bench strategies` brings models with it.

    Interrupted, the same command goes on where it was.
    """
    if not is_sha256(sha256):
        raise UsageError(f"{sha256!r} is no sha256", hint="64 lower-case hex digits")
    with open_services(session.settings, store_dir=session.settings.cache_dir, location=url) as services:
        seconds = fetch_file(
            url, sha256=sha256, size_bytes=size_bytes, to=path.absolute(), services=services, disk=disk()
        )
    document = {"path": str(path.absolute()), "size_bytes": size_bytes, "seconds": round(seconds, 3)}
    session.show(document, lambda: f"{path}: {size_text(size_bytes)} in {seconds:.1f} s")
