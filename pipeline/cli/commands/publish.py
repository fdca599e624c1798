"""``publish``: bundles into a signed repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk, key_files
from pipeline.app.settings import program_name
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.passphrase import passphrase_options, read_passphrase
from pipeline.cli.tables import size_text
from pipeline.publish.dist import read_dist
from pipeline.publish.keys import open_keys
from pipeline.publish.repository import publish

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.publication import PublishOutcome


@click.command("publish", cls=Command)
@click.option("--to", "repository", type=FOLDER, required=True, metavar="DIR", help="The repository; made when new.")
@click.option("--from", "dist", type=FOLDER, metavar="DIR", help="Folder with manifest.json.  [default: dist]")
@click.option("--keys", "folder", type=FOLDER, metavar="DIR", help="Folder with the keys.  [default: the user's own]")
@passphrase_options
@click.option("--replace", is_flag=True, help="Allow other bytes under a version that is published already.")
@changing_options
def command(
    session: Session,
    repository: Path,
    dist: Path | None,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    *,
    replace: bool,
) -> None:
    """Add bundles to a signed repository: files first, metadata last.

    A reader of the repository sees the old state or the new one, never one in between.
    """
    dist_dir = (dist or session.settings.output).absolute()
    read_dist(dist_dir)  # what is wrong there is said before keys are asked for
    keys = open_keys(
        (folder or session.settings.keys_dir).absolute(),
        passphrase=lambda: read_passphrase(file=passphrase_file, descriptor=passphrase_fd),
        key_files=key_files(),
    )
    with build_services(session.settings) as services:
        outcome = publish(
            dist=dist_dir,
            to=repository.absolute(),
            keys=keys,
            services=services,
            disk=disk(),
            now=services.clock.now_seconds(),
            replace=replace,
            dry_run=session.dry_run,
        )
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if outcome.development:
        session.warn("signed with development keys; do not ship this repository")
    if not session.dry_run:
        session.hint(f"\nnext: {program_name()} install --from {repository.absolute()} --root ROOT")


def _text(outcome: PublishOutcome) -> str:
    verb = "would add" if outcome.dry_run else "added"
    lines = [f"{verb}      {name}" for name in outcome.added]
    lines += [f"replaced   {name}" for name in outcome.replaced]
    lines += [f"unchanged  {name}" for name in outcome.unchanged]
    lines.append(f"{outcome.blobs_added} files, {size_text(outcome.bytes_added)}")
    if outcome.expires:
        lines.append("valid until " + ", ".join(f"{role} {until}" for role, until in outcome.expires.items()))
    return "\n".join(lines)
