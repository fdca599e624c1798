"""Verifying: every file of an installation, a bundle, a dist folder or a repository read again, in four states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.deploy.comparing import FileComparison
from pipeline.deploy.host_base import MAKE_ANEW
from pipeline.deploy.layout import Layout
from pipeline.deploy.standing import revoked_and_current
from pipeline.deploy.steps import byte_progress, step
from pipeline.deploy.verify_bundle import verify_bundle
from pipeline.deploy.verify_dist import verify_dist
from pipeline.deploy.verify_installation import verify_installation
from pipeline.errors import IntegrityError, PipelineError, UsageError
from pipeline.model.repository_layout import (
    BLOBS_FOLDER,
    LANES_FOLDER,
    METADATA_FOLDER,
    MIRROR_FILE,
    MIRROR_STATE_FOLDER,
)
from pipeline.model.verification import VerifyReport

if TYPE_CHECKING:
    from pipeline.model.verification import SubjectKind
    from pipeline.ports import Disk, Services

_STEP = "verify"
_SHOWN = 3


def verify(path: Path, services: Services, *, disk: Disk, trusted_root: bytes | None = None) -> VerifyReport:
    """Read everything again and compare it with what is listed; nothing is changed.

    Args:
        path: an installation's root, a ``.tar.zst`` bundle, a folder with ``manifest.json``, a published repository, or
            a mirror of one.
        services: archiver, work folder, clock, how many files are read at a time, and who is told how far it is.
        disk: for the state of a repository's check, in a work folder.
        trusted_root: a repository's signatures are checked from here; without it from the root that it brings itself,
            which shows damage but not forgery.

    Raises:
        UsageError: it is none of these.
        TrustError: a repository's metadata is not to be trusted.
        IntegrityError: it cannot be verified file by file: an archive or a list of files is malformed.
    """
    kind = _kind(path)
    began = services.clock.monotonic()
    comparison = FileComparison(jobs=services.jobs, progress=byte_progress(services, _STEP))
    with step(services, _STEP, why=f"{kind} {path}"):
        trusted = _compare(kind, path, comparison, services=services, disk=disk, trusted_root=trusted_root)
    seconds = services.clock.monotonic() - began
    findings = tuple(sorted(comparison.findings, key=lambda finding: (finding.path, finding.state)))
    return VerifyReport(
        path=str(path.absolute()),
        kind=kind,
        trusted=trusted,
        verified=comparison.verified,
        changed=sum(finding.state == "changed" for finding in findings),
        missing=sum(finding.state == "missing" for finding in findings),
        unexpected=sum(finding.state == "unexpected" for finding in findings),
        by_state=comparison.tally.by_state(),
        by_folder=comparison.tally.by_folder(),
        bytes_read=comparison.bytes_read,
        seconds=seconds,
        bytes_per_second=round(comparison.bytes_read / seconds) if seconds > 0 else 0,
        findings=findings,
        notes=tuple(comparison.notes),
        revoked=revoked_and_current(Layout(path)) if kind == "installation" else tuple(comparison.revoked),
    )


def _compare(
    kind: SubjectKind,
    path: Path,
    comparison: FileComparison,
    *,
    services: Services,
    disk: Disk,
    trusted_root: bytes | None,
) -> bool:
    """Compare everything; return whether the digests come from metadata under the root that the caller gave."""
    match kind:
        case "installation":
            verify_installation(Layout(path), comparison)
        case "bundle":
            verify_bundle(path, comparison, services=services)
        case "dist":
            verify_dist(path, comparison)
        case "repository":
            from pipeline.deploy.verify_repository import verify_repository  # noqa: PLC0415 - 0.3 s for TUF alone

            verify_repository(path, comparison, services=services, disk=disk, trusted_root=trusted_root)
            return trusted_root is not None
        case "mirror":
            from pipeline.deploy.mirror.verifying import verify_mirror  # noqa: PLC0415 - as above

            return verify_mirror(path, comparison, services=services, disk=disk, trusted_root=trusted_root)
    return False


def report_error(report: VerifyReport) -> PipelineError:
    """Return the error for a report that is not ``ok``: it names the first files and the counts."""
    if not report.findings:
        return IntegrityError(f"{report.path} holds nothing to verify", hint="nothing is installed or published there")
    shown = ", ".join(f"{finding.path} ({finding.state})" for finding in report.findings[:_SHOWN])
    more = f" and {len(report.findings) - _SHOWN} more" if len(report.findings) > _SHOWN else ""
    hints: dict[SubjectKind, str] = {
        "installation": _installation_hint(report),
        "bundle": "get the bundle again",
        "dist": "build it again",
        "mirror": _mirror_hint(report),
        "repository": "sync it again from a whole copy; nothing that is damaged will be installed from it",
    }
    return IntegrityError(f"{report.path} is not as it should be: {shown}{more}", hint=hints[report.kind])


def _installation_hint(report: VerifyReport) -> str:
    """Return the one command that mends an installation, its damaged files and the Python that it is over."""
    of_python = [Path(finding.path).is_absolute() for finding in report.findings]  # all else is named below the root
    if not any(of_python):
        return "`install --repair` replaces what is damaged"
    return MAKE_ANEW if all(of_python) else f"with --repair, which replaces what else is damaged, {MAKE_ANEW}"


def _mirror_hint(report: VerifyReport) -> str:
    """Return what mends a mirror: a sync, for a lane its keys, for what does not belong there its owner."""
    lanes = Path(report.path) / LANES_FOLDER
    hints: list[str] = []
    for finding in report.findings:
        of_lane, of_blobs = (finding.path.startswith(f"{top}/") for top in (LANES_FOLDER, BLOBS_FOLDER))
        if finding.state == "unexpected":
            hints.append("remove what is unexpected")
        elif not of_lane:
            hints.append("`mirror sync --repair` brings what is damaged anew")
        if finding.state != "unexpected" and (of_lane or (of_blobs and lanes.is_dir())):
            own = "" if of_lane else "what then is still missing is a lane's own: "
            hints.append(f"{own}`mirror seal --anew` signs a lane again; `mirror import` brings it from an export")
    return "; ".join(dict.fromkeys(hints))


def _kind(path: Path) -> SubjectKind:
    if path.is_file() and path.name.endswith(".tar.zst"):
        return "bundle"
    if Layout(path).format_path.is_file() or Layout(path).looks_installed():
        return "installation"
    if (path / MIRROR_FILE).is_file() or (path / MIRROR_STATE_FOLDER).is_dir():
        return "mirror"
    if (path / METADATA_FOLDER).is_dir():
        return "repository"
    if (path / "manifest.json").is_file():
        return "dist"
    if not path.exists():
        raise UsageError(f"there is no {path}", hint="give a folder or a .tar.zst file")
    raise UsageError(
        f"{path} is nothing that can be verified",
        hint="give an installation's root, a .tar.zst bundle, a folder with manifest.json or a published repository",
    )
