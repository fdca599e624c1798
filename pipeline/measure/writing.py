"""The three files of a report: whole, or as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.measure.page import page
from pipeline.measure.summary import summary
from pipeline.model.manifest_document import write_document

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.footprint import FootprintReport
    from pipeline.ports import Disk, PictureMaker

PAGE, SUMMARY, DOCUMENT = "report.html", "report.md", "report.json"
_STAGING = ".staging"


def write_report(
    report: FootprintReport, folder: Path, *, pictures: PictureMaker, templates_dir: Path, disk: Disk
) -> dict[str, Path]:
    """Write the files of a report into a folder; return them by name. What else is there stays.

    Args:
        report: everything that they say.
        folder: made where it is not there.
        pictures: draws those of the page.
        templates_dir: has the page's template.
        disk: writes.

    Raises:
        HostError: the folder cannot be written.
        NoSpaceError: there is no room.
    """
    made = {
        PAGE: page(report, pictures, templates_dir=templates_dir).encode(),
        SUMMARY: summary(report).encode(),
        DOCUMENT: write_document(report),
    }
    staging = folder / _STAGING
    disk.make_dirs(staging)
    try:
        for name, data in made.items():
            disk.replace_file(folder / name, data, staging_dir=staging)
    finally:
        disk.remove(staging)
    return {name: folder / name for name in made}
