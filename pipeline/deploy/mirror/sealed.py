"""A mirror held still while somebody seals it, after every byte of it was verified."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.changing import changing_mirror
from pipeline.deploy.mirror.completed import forget_completed
from pipeline.deploy.mirror.content import mirror_content
from pipeline.deploy.mirror.lanes import drop_half_made_lanes
from pipeline.deploy.verify import report_error, verify
from pipeline.model.mirror_paths import sha256_of_blob
from pipeline.model.repository_layout import blob_path, metadata_folder, role_of_filename

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.model.mirror_content import MirrorContent
    from pipeline.model.verification import Finding, VerifyReport
    from pipeline.ports import Disk, Services


@dataclass(slots=True)
class Sealing:
    """A mirror that is being sealed.

    Attributes:
        content: what may be sealed.
        changed: to be set when something was written: the next sync looks at everything again.
    """

    content: MirrorContent
    changed: bool = False


@contextmanager
def sealing(
    layout: MirrorLayout, *, trusted_root: bytes, services: Services, disk: Disk, anew: str | None = None
) -> Iterator[Sealing]:
    """Hold a mirror, one process at a time, and say what it holds; every file of it was read again.

    What a first seal left that died goes before that.

    Args:
        layout: of the mirror.
        trusted_root: of its publisher.
        services: clock, work folder.
        disk: how it is changed.
        anew: lane that will be signed again as a whole; what is damaged of it is no reason to refuse then.

    Raises:
        TrustError: its publisher's metadata is expired, or not signed as it must be.
        IntegrityError: a file is not as it was signed.
        UsageError, NothingSelectedError: as ``mirror_content``.
    """
    with changing_mirror(layout, services, disk):
        drop_half_made_lanes(layout.folder, disk)
        content = mirror_content(layout, trusted_root=trusted_root, services=services, disk=disk)
        report = verify(layout.folder, services, disk=disk, trusted_root=trusted_root)
        if anew is not None:
            report = _without_lane(report, anew, content)
        if not report.ok:
            raise report_error(report)
        held = Sealing(content)
        yield held
        if held.changed:
            forget_completed(layout, disk)


def _without_lane(report: VerifyReport, lane: str, content: MirrorContent) -> VerifyReport:
    """Leave out what is wrong with a lane, and with files that its own metadata alone may list."""
    held = {blob_path(sha256) for engine in content.engines for sha256 in engine.held}
    findings = tuple(
        finding
        for finding in report.findings
        if not _is_of_lane(finding, metadata_folder(lane))
        and not (sha256_of_blob(finding.path) is not None and finding.path not in held)
    )
    return report.model_copy(update={"findings": findings})


def _is_of_lane(finding: Finding, folder: str) -> bool:
    """Tell whether a lane's own metadata is meant: a file that does not belong there is not."""
    return finding.path == folder or (finding.path.startswith(f"{folder}/") and _is_metadata(finding.path))


def _is_metadata(path: str) -> bool:
    return role_of_filename(path.rpartition("/")[2]) is not None
