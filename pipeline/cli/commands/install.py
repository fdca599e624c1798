"""``install``: trust, download what is missing, verify, switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, install_services
from pipeline.cli.health_options import health_options, health_text
from pipeline.cli.locations import location_of
from pipeline.cli.options import FILE, Command, changing_options
from pipeline.cli.root_options import keep_option, require_root, root_option
from pipeline.cli.selecting import require_accel_option
from pipeline.cli.tables import size_text
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.install import install
from pipeline.deploy.install_request import InstallRequest
from pipeline.deploy.layout import Layout
from pipeline.errors import UsageError
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.deploy.health import HealthWish
    from pipeline.model.installation import InstallOutcome


@click.command("install", cls=Command)
@click.argument(
    "target", required=False, metavar="[TARGET]", help="Without it the variant that fits this machine best."
)
@click.option(
    "--from",
    "location",
    metavar="URL_OR_DIR",
    help="The repository; needed unless --from-file has all and it is known.",
)
@click.option(
    "--from-file",
    "files",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A bundle or a layer's archive that is at hand; repeats. It must be one that the repository signs.",
)
@root_option
@click.option("--version", metavar="V", help="Version to install.  [default: the newest]")
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the publisher gave you.")
@click.option("--with-debug", is_flag=True, help="Install debug files too.")
@click.option("--repair", is_flag=True, help="Read every file again, and replace layers that are damaged.")
@keep_option
@click.option("--engine", metavar="E", help="Which engine; needed where several are offered.")
@require_accel_option
@click.option("--check-host/--no-check-host", default=True, help="Refuse what this machine cannot run.")
@click.option("--deltas/--no-deltas", default=True, help="Make layers of those that are there, where that saves bytes.")
@click.option("--rehearsal", is_flag=True, help="Install a rehearsal, in which there is no engine, and nothing else.")
@click.option("--unpin", is_flag=True, help="Let the engine go that `use --pin` holds at a version.")
@click.option(
    "--python",
    type=FILE,
    metavar="FILE",
    help="Python for a bundle that brings none.  [default: python3.X of PATH, as the bundle needs]",
)
@changing_options
@health_options
def command(
    session: Session,
    target: str | None,
    location: str | None,
    files: tuple[Path, ...],
    root: Path | None,
    trusted_root: Path | None,
    keep: int | None,
    health: HealthWish,
    **choices: str | bool | Path | None,
) -> None:
    """Install or update an engine; the switch is atomic, and what runs now stays until then.

    Only layers that are not there are downloaded; every file is compared with what was signed; the programs are
    started before the switch, and when they do not work what ran before stays.
    """
    if location is None and not files:
        raise UsageError("where to install from is not said", hint="give a repository with --from")
    place = require_root(root, session.settings)
    request = InstallRequest(
        location=None if location is None else location_of(location),
        root=place,
        trusted_root=find_trusted_root(session, flag=trusted_root, pinned=Layout(place).trusted_root_path),
        target=target,
        files=tuple(path.absolute() for path in files),
        dry_run=session.dry_run,
        keep=keep or session.settings.keep,
        health=health,
        pins=session.settings.pins,
        **choices,  # type: ignore[arg-type] # click checks the options
    )
    with install_services(
        session.settings, place, location=location or "", may_be_new=True, mend=request.repair
    ) as services:
        outcome = install(request, services, disk=disk())
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if outcome.rehearsal:
        session.warn("this is a rehearsal: there is no engine in it")
    if outcome.development:
        session.warn("this repository is signed with development keys")


def _text(outcome: InstallOutcome) -> str:
    name = f"{outcome.target} {outcome.version}"
    held = f" (pinned to {outcome.version})" if outcome.pinned else ""
    if not outcome.changed:
        return f"{name} is installed already{held}"
    missing = [layer for layer in outcome.layers if not layer.present]
    lines = [f"would install {name}" if outcome.dry_run else f"installed {name}"]
    if outcome.previous_version:
        lines[0] += f" (before: {outcome.previous_version})"
    lines[0] += held
    from_files = sum(layer.from_file for layer in outcome.layers)
    made = [layer for layer in outcome.layers if layer.delta_from]
    count = f"{len(missing) - from_files} of {counted(len(outcome.layers), 'layer')}"
    lines.append(f"{count} downloaded, {size_text(outcome.downloaded_bytes)}")
    if outcome.dry_run:
        lines[-1] = lines[-1].replace("downloaded", "to download")
    if from_files:
        lines[-1] += f"; {from_files} from {'a file' if from_files == 1 else 'files'}"
    lines += [f"  delta of {layer.name} from {layer.delta_from}: {size_text(layer.download_bytes)}" for layer in made]
    if outcome.selection:
        lines.append(f"chosen for this machine: {outcome.selection.why}")
    if outcome.health and (checked := health_text(outcome.health.model_dump())):
        lines.append(checked)
    lines += [f"{program}: {path}" for program, path in outcome.programs.items()]
    if outcome.removed_generations:
        lines.append(f"removed generations {', '.join(map(str, outcome.removed_generations))}")
    return "\n".join(lines)
