"""``publish``: bundles into a signed repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.app.settings import program_name
from pipeline.cli.key_options import open_key_folder, signing_options
from pipeline.cli.named_files import read_named
from pipeline.cli.options import FILE, FOLDER, Command, changing_options
from pipeline.cli.tables import size_text
from pipeline.model.counts import counted
from pipeline.model.publication import DEFAULT_DELTAS
from pipeline.publish.permitting import Permitted, read_permitted
from pipeline.publish.repository import publish

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.publication import PublishOutcome


@click.command("publish", cls=Command)
@click.option("--to", "repository", type=FOLDER, required=True, metavar="DIR", help="The repository; made when new.")
@click.option("--from", "dist", type=FOLDER, metavar="DIR", help="Folder with manifest.json.  [default: dist]")
@click.option("--metadata", type=FILE, metavar="FILE", help="Policy that the holders of targets have signed.")
@signing_options
@click.option("--replace", is_flag=True, help="Allow other bytes under a version that is published already.")
@click.option(
    "--deltas",
    type=click.IntRange(min=0),
    default=DEFAULT_DELTAS,
    show_default=True,
    metavar="N",
    help="Make deltas of changed layers from the N versions before; 0 makes none.",
)
@click.option("--rehearsal", is_flag=True, help="Publish a rehearsal, which has no engines, and nothing else.")
@click.option("--partial", is_flag=True, help="Publish a release that lacks something of what was planned, too.")
@click.option(
    "--allow-development",
    is_flag=True,
    default=None,
    help="Sign with development keys too.  [env: ENGINE_PIPELINE_ALLOW_DEVELOPMENT]",
)
@changing_options
def command(  # noqa: PLR0913 - one parameter an option
    session: Session,
    repository: Path,
    dist: Path | None,
    metadata: Path | None,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    *,
    replace: bool,
    deltas: int,
    rehearsal: bool,
    partial: bool,
    allow_development: bool | None,
) -> None:
    """Add bundles to a signed repository: files first, metadata last.

    A reader of the repository sees the old state or the new one, never one in between. With --metadata and without
    --from only that policy is published.
    """
    dist_dir, permitted = None, Permitted(rehearsal, partial)
    if metadata is None or dist is not None:
        dist_dir = (dist or session.settings.output).absolute()
        read_permitted(dist_dir, permitted)  # what is wrong there is said before keys are asked for
    keys = open_key_folder(session, folder, passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
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
            allow_development=session.settings.allow_development if allow_development is None else allow_development,
            policy=None if metadata is None else read_named(metadata),
            permitted=permitted,
            deltas=deltas,
        )
    session.show(outcome.model_dump(mode="json"), lambda: outcome_text(outcome))
    _warn(session, outcome)
    if outcome.revoked.keys() >= {*outcome.added, *outcome.replaced, *outcome.unchanged} and outcome.revoked:
        session.hint(f"\nnext: {program_name()} build makes another version")
    elif not session.dry_run:
        asked = " --rehearsal" if outcome.rehearsal else ""
        session.hint(f"\nnext: {program_name()} install --from {repository.absolute()} --root ROOT{asked}")


def _warn(session: Session, outcome: PublishOutcome) -> None:
    if outcome.development:
        verb = "would be signed" if outcome.dry_run else "signed"
        session.warn(f"{verb} with development keys; do not ship this repository")
    if outcome.rehearsal:
        session.warn("this is a rehearsal: `install` takes nothing from this repository without --rehearsal")
    if outcome.missing:
        session.warn(f"the release is partial, it lacks {', '.join(outcome.missing)}")
    for name, reason in outcome.revoked.items():
        session.warn(f"{name} was revoked and nobody may install it: {reason}")


def outcome_text(outcome: PublishOutcome) -> str:
    """Return what publishing did or would do, for people."""
    add, replace = ("would add", "would replace") if outcome.dry_run else ("added", "replaced")
    lines = [f"{add:10} {name}" for name in outcome.added]
    lines += [f"{replace:10} {name}" for name in outcome.replaced]
    lines += [f"{'unchanged':10} {name}" for name in outcome.unchanged]
    files = f"{counted(outcome.blobs_added, 'file')}, {size_text(outcome.bytes_added)}"
    if outcome.blobs_added:
        lines.append(f"would write {files}" if outcome.dry_run else files)
    lines += [f"{'would try' if outcome.dry_run else 'delta':10} {name}" for name in outcome.deltas]
    lines.append(_signed_text(outcome))
    if outcome.expires:
        now = "now valid until" if outcome.dry_run else "valid until"
        lines.append(f"{now} {', '.join(f'{role} {until}' for role, until in outcome.expires.items())}")
    return "\n".join(lines)


def _signed_text(outcome: PublishOutcome) -> str:
    if not outcome.signed:
        return "no signature is needed: nothing is new, and nothing ends soon"
    if outcome.dry_run:
        return f"would put in place: {', '.join(outcome.signed)}"
    return f"signed and put in place: {', '.join(f'{role} {outcome.versions[role]}' for role in outcome.signed)}"
