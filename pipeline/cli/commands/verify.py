"""``verify``: every file read again and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.cli.options import FILE, Command, common_options
from pipeline.cli.tables import size_text, table
from pipeline.cli.trusted_root import named_root
from pipeline.deploy.verify import report_error, verify

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.verification import FileState, FileTotal, VerifyReport


@click.command("verify", cls=Command)
@click.argument(
    "path",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A root, a bundle, a folder with manifest.json, or a repository.",
)
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that a repository is checked against.")
@common_options
def command(session: Session, path: Path, trusted_root: Path | None) -> None:
    """Read every file of PATH again and say of each: verified, changed, missing or unexpected.

    Ends with code 7 unless all are verified.
    """
    root = named_root(session, trusted_root)
    with build_services(session.settings) as services:
        report = verify(path.absolute(), services, disk=disk(), trusted_root=root)
    session.show({**report.model_dump(mode="json"), "ok": report.ok}, lambda: _text(report))
    for note in report.notes:
        session.warn(note)
    for line in report.revoked:
        session.warn(f"{line}; it is current")
    if not report.ok:
        session.end_with(report_error(report))


def _text(report: VerifyReport) -> str:
    counts = ", ".join(_count(state, total) for state, total in report.by_state.items())
    rate = f"{size_text(report.bytes_read)} read in {report.seconds:.1f} s ({size_text(report.bytes_per_second)}/s)"
    lines = [f"{report.kind} {report.path}", f"{counts}; {rate}"]
    if report.kind == "repository":
        lines.append("signatures verified" if report.trusted else "signatures NOT checked: no --trusted-root was given")
    folders = [(name, str(total.files), size_text(total.size_bytes)) for name, total in report.by_folder.items()]
    lines += ["", table(("folder", "files", "size"), folders, right=("files", "size"))]
    if report.findings:
        rows = [(finding.state, finding.path, finding.detail) for finding in report.findings]
        lines += ["", table(("state", "file", "detail"), rows)]
    return "\n".join(lines)


def _count(state: FileState, total: FileTotal) -> str:
    size = f" ({size_text(total.size_bytes)})" if total.size_bytes else ""
    return f"{total.files} {state}{size}"
