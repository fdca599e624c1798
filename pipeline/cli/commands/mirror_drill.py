"""``mirror drill``: proof that a mirror is enough for a machine with no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from pipeline.app.mirror_services import drill_ground
from pipeline.app.project import package_dir
from pipeline.app.services import build_services, disk
from pipeline.cli.options import FILE, FOLDER, Command, common_options
from pipeline.cli.tables import size_text, table
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.mirror.drill import DrillRequest, drill
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.errors import ProofError, UsageError

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.drill import DrillReport
    from pipeline.model.manifest import ProofLevel


@click.command("drill", cls=Command)
@click.argument("mirror", type=FOLDER, metavar="MIRROR", help="Folder of a mirror or a published repository.")
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the publisher gave you.")
@click.option(
    "--health",
    type=click.Choice(["load", "run"]),
    default="load",
    show_default=True,
    help="How far each engine is tried: it starts and lists devices, or a model answers too.",
)
@click.option("--health-model", type=FILE, metavar="FILE", help="A GGUF file for run.  [default: one of the mirror's]")
@common_options
def command(session: Session, mirror: Path, trusted_root: Path | None, health: str, health_model: Path | None) -> None:
    """Install every target of this platform from MIRROR and run it, with no network at all.

    Each command runs in a network namespace with no interface but loopback, which is checked from inside; where that
    cannot be made it ends with code 5. Ends with code 10 when a target fails or none could be run.
    """
    if health_model is not None and (health != "run" or not health_model.is_file()):
        raise UsageError("--health-model names a file for --health run", hint="leave it out, or give both")
    place = mirror.absolute()
    request = DrillRequest(
        mirror=place,
        trusted_root=find_trusted_root(session, flag=trusted_root, pinned=MirrorLayout(place).trusted_root_path),
        level=cast("ProofLevel", health),
        model=None if health_model is None else health_model.absolute(),
        scratch=session.settings.cache_dir,
        package_dir=package_dir(),
    )
    with build_services(session.settings) as services:
        report = drill(request, services=services, disk=disk(), ground=drill_ground())
    session.show({**report.model_dump(mode="json"), "ok": report.ok}, lambda: _text(report))
    for line in report.revoked:
        session.warn(f"{line}; the mirror holds it, it was not drilled, and nobody may install it")
    if not report.ok:
        session.end_with(_failure(report))


def _text(report: DrillReport) -> str:
    rows = [
        (
            row.target,
            row.version,
            size_text(row.bytes),
            f"{row.seconds:.1f}",
            ", ".join(row.devices),
            row.outcome,
            row.detail.partition("\n")[0],
        )
        for row in report.rows
    ]
    headings = ("target", "version", "size", "seconds", "devices", "outcome", "")
    by = f"by {report.installer}, installed from the mirror's own wheels" if report.installer else "by this program"
    return "\n".join(
        (
            f"{report.mirror}, {report.platform}, {by}",
            report.isolation,
            "",
            table(headings, rows, right=("size", "seconds")),
        )
    )


def _failure(report: DrillReport) -> ProofError:
    failed = [f"{row.target} {row.version}: {row.detail}" for row in report.rows if row.outcome == "failed"]
    if failed:
        return ProofError(
            "\n".join(failed), hint="`mirror verify` says whether the mirror is damaged, and what mends it"
        )
    lacking = "".join(f"\n{row.target} {row.version}: {row.detail}" for row in report.rows if row.outcome == "lacking")
    return ProofError(
        f"nothing failed, and this machine can run none of the targets{lacking}",
        hint="drill on a machine like those to serve",
    )
