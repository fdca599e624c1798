"""``install``: trust, download what is missing, verify, switch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, install_services
from pipeline.cli.options import FILE, Command, changing_options
from pipeline.cli.root_options import require_root, root_option
from pipeline.cli.tables import size_text
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.install import InstallRequest, install
from pipeline.deploy.layout import Layout

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.installation import InstallOutcome

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@click.command("install", cls=Command)
@click.argument(
    "target", required=False, metavar="[TARGET]", help="Needed where the repository has several for this machine."
)
@click.option("--from", "location", required=True, metavar="URL_OR_DIR", help="The repository.")
@root_option
@click.option("--version", metavar="V", help="Version to install.  [default: the newest]")
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the publisher gave you.")
@click.option("--with-debug", is_flag=True, help="Install debug files too.")
@click.option("--repair", is_flag=True, help="Read every file again, and replace layers that are damaged.")
@click.option(
    "--keep", type=click.IntRange(min=2), default=3, show_default=True, metavar="N", help="Generations to keep."
)
@click.option("--check-host/--no-check-host", default=True, help="Refuse what this machine cannot run.")
@changing_options
def command(
    session: Session,
    target: str | None,
    location: str,
    root: Path | None,
    version: str | None,
    trusted_root: Path | None,
    keep: int,
    **choices: bool,
) -> None:
    """Install or update an engine; the switch is atomic, and what runs now stays until then.

    Only layers that are not there are downloaded; every file is compared with what was signed.
    """
    place = require_root(root, session.settings)
    request = InstallRequest(
        location=location if _URL.match(location) else str(Path(location).absolute()),
        root=place,
        trusted_root=find_trusted_root(session, flag=trusted_root, pinned=Layout(place).trusted_root_path),
        target=target,
        version=version,
        keep=keep,
        dry_run=session.dry_run,
        **choices,
    )
    with install_services(session.settings, place, location=location, may_be_new=True) as services:
        outcome = install(request, services, disk=disk())
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if outcome.development:
        session.warn("this repository is signed with development keys")


def _text(outcome: InstallOutcome) -> str:
    name = f"{outcome.target} {outcome.version}"
    if not outcome.changed:
        return f"{name} is installed already"
    missing = [layer for layer in outcome.layers if not layer.present]
    lines = [f"would install {name}" if outcome.dry_run else f"installed {name}"]
    if outcome.previous_version:
        lines[0] += f" (before: {outcome.previous_version})"
    lines.append(f"{len(missing)} of {len(outcome.layers)} layers downloaded, {size_text(outcome.downloaded_bytes)}")
    if outcome.dry_run:
        lines[-1] = lines[-1].replace("downloaded", "to download")
    lines += [f"{program}: {path}" for program, path in outcome.programs.items()]
    if outcome.removed_generations:
        lines.append(f"removed generations {', '.join(map(str, outcome.removed_generations))}")
    return "\n".join(lines)
