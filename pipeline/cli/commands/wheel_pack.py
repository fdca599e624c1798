"""``wheel pack``: a wheel of each bundle in a dist folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services
from pipeline.builders.wheel_backend import require_backend
from pipeline.builders.wheel_naming import project_name
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.tables import size_text, table
from pipeline.model.time_stamps import LASTING_EPOCH_SECONDS
from pipeline.wheels.packing import EngineWheel, choose, pack, read_offer

if TYPE_CHECKING:
    from pipeline.cli.session import Session

_HEADINGS = ("target", "version", "size", "wheel")


@click.command("pack", cls=Command)
@click.option(
    "--from", "dist", type=FOLDER, metavar="DIR", help="Folder with manifest.json and layers.  [default: dist]"
)
@click.option(
    "--target", "-t", "targets", multiple=True, metavar="T", help="Which bundles; globs and commas.  [default: all]"
)
@click.option("--output", "-o", type=FOLDER, metavar="DIR", help="Folder for the wheels.  [default: wheels]")
@changing_options
def command(session: Session, dist: Path | None, targets: tuple[str, ...], output: Path | None) -> None:
    """Make a wheel of each bundle, built or fetched: ``pip install`` puts its programs on PATH.

    The files are those of the bundle, with the same digests; the tag says what was measured.
    """
    folder = (dist or session.settings.output).absolute()
    chosen = choose(read_offer(folder), targets)
    output_dir = (output or Path("wheels")).absolute()
    if session.dry_run:
        planned = [
            {
                "target": artifact.target,
                "version": artifact.version,
                "project": project_name(artifact.engine, artifact.accel),
            }
            for artifact in chosen
        ]
        document = {"output": str(output_dir), "dry_run": True, "wheels": planned}
        session.show(document, lambda: "\n".join(f"would make {one['project']}" for one in planned))
        return
    require_backend()
    asked = session.settings.epoch_seconds
    epoch_seconds = LASTING_EPOCH_SECONDS if asked is None else asked
    with build_services(session.settings) as services:
        made = [pack(artifact, folder, services, output_dir, epoch_seconds=epoch_seconds) for artifact in chosen]
    for wheel in made:
        if wheel.beyond_tag:
            needed = ", ".join(wheel.beyond_tag)
            session.warn(f"{wheel.path.name} needs {needed} of the host, which its tag does not promise")
    document = {"output": str(output_dir), "dry_run": False, "wheels": [_described(wheel) for wheel in made]}
    rows = [(wheel.target, wheel.version, size_text(wheel.size_bytes), wheel.path.name) for wheel in made]
    session.show(document, lambda: table(_HEADINGS, rows, right=("size",)))
    session.hint(f"\nnext: pip install --no-index --find-links {output_dir} {made[0].project}")


def _described(wheel: EngineWheel) -> dict[str, object]:
    return {
        "target": wheel.target,
        "version": wheel.version,
        "project": wheel.project,
        "file": wheel.path.name,
        "sha256": wheel.sha256,
        "size": wheel.size_bytes,
        "tree_sha256": wheel.tree_sha256,
        "beyond_tag": list(wheel.beyond_tag),
    }
