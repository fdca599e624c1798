"""``mirror seal``: the long-lived lane of a mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.mirror_services import open_mirror
from pipeline.app.services import disk
from pipeline.cli.key_options import open_key_folder, signing_options
from pipeline.cli.options import FILE, FOLDER, Command, changing_options
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.sealed import sealing
from pipeline.publish.sealing import LONGEST_DAYS, SHORTEST_DAYS, require_days, seal

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.mirror_content import SealOutcome


@click.command("seal", cls=Command, short_help="Sign a long-lived lane over a mirror, for places with no network.")
@click.argument("mirror", type=FOLDER, metavar="DIR", help="Folder of the mirror.")
@signing_options
@click.option(
    "--days",
    type=int,
    default=120,
    show_default=True,
    metavar="N",
    help=f"How long the lane holds: {SHORTEST_DAYS} to {LONGEST_DAYS} days.",
)
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the publisher gave you.")
@click.option(
    "--allow-development",
    is_flag=True,
    default=None,
    help="Seal with development keys too.  [env: ENGINE_PIPELINE_ALLOW_DEVELOPMENT]",
)
@click.option("--anew", is_flag=True, help="Sign all of the lane again, above its versions: where it is damaged.")
@changing_options
def command(  # noqa: PLR0913 - click gives a callback every option by name
    session: Session,
    mirror: Path,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    days: int,
    trusted_root: Path | None,
    *,
    allow_development: bool | None,
    anew: bool,
) -> None:
    """Verify the mirror in DIR from its publisher's root, then sign a lane over what it holds.

    Machines that are given the lane's root.json install from it until it expires, long after the publisher's own
    metadata has. Keys are made by `keys init --lane airgap`.
    """
    require_days(days)
    layout = MirrorLayout(mirror.absolute())
    layout.check()
    layout.require_document()
    root = find_trusted_root(session, flag=trusted_root, pinned=layout.trusted_root_path)
    keys = open_key_folder(session, folder, passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    with (
        open_mirror(session.settings, layout.folder, location="", dry_run=session.dry_run) as services,
        sealing(
            layout, trusted_root=root, services=services, disk=disk(), anew=keys.listing.lane if anew else None
        ) as held,
    ):
        outcome = seal(
            held.content,
            folder=layout.folder,
            staging_dir=layout.staging_dir,
            keys=keys,
            days=days,
            services=services,
            disk=disk(),
            now=services.clock.now_seconds(),
            dry_run=session.dry_run,
            anew=anew,
            allow_development=session.settings.allow_development if allow_development is None else allow_development,
        )
        held.changed = outcome.changed and not outcome.dry_run
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if outcome.development:
        session.warn("sealed with development keys; whoever has them can sign anything that those machines install")
    if not session.dry_run:
        session.hint(f"\nnext: give {keys.folder / 'root.json'} to the machines there, as their trusted root")


def _text(outcome: SealOutcome) -> str:
    done = "would be sealed" if outcome.dry_run else "is sealed"
    verb = done if outcome.changed else "is sealed already"
    lines = [f"{outcome.path} {verb}: lane {outcome.lane}, until {outcome.expires['timestamp']}"]
    lines += [f"offers   {name}" for name in outcome.artifacts]
    return "\n".join(lines)
