"""How ``verify`` and ``mirror verify`` run and show what they found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.services import build_services, disk
from pipeline.cli.tables import size_text, table
from pipeline.deploy.verify import report_error, verify

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.verification import FileState, FileTotal, VerifyReport


def run_verify(session: Session, path: Path, *, trusted_root: bytes | None) -> None:
    """Verify, show the report, and end with code 7 unless every file is verified.

    Raises:
        PipelineError: as ``deploy.verify.verify``.
    """
    with build_services(session.settings) as services:
        report = verify(path, services, disk=disk(), trusted_root=trusted_root)
    session.show({**report.model_dump(mode="json"), "ok": report.ok}, lambda: _text(report))
    for note in report.notes:
        session.warn(note)
    for line in report.revoked:
        held = "it is current" if report.kind == "installation" else "the mirror holds it, and nobody may install it"
        session.warn(f"{line}; {held}")
    if not report.ok:
        session.end_with(report_error(report))


def _text(report: VerifyReport) -> str:
    counts = ", ".join(_count(state, total) for state, total in report.by_state.items())
    rate = f"{size_text(report.bytes_read)} read in {report.seconds:.1f} s ({size_text(report.bytes_per_second)}/s)"
    lines = [f"{report.kind} {report.path}", f"{counts}; {rate}"]
    if report.kind in {"repository", "mirror"}:
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
