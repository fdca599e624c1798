"""Brings one file, as a step with its bytes and its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.events import StepFinished, StepProgress, StepStarted
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ports import Disk, Services


def fetch_file(url: str, *, sha256: str, size_bytes: int, to: Path, services: Services, disk: Disk) -> float:
    """Download a file and give it its place; return the seconds that this took.

    Raises:
        NetworkError, OfflineError, IntegrityError, NoSpaceError: as ``ports.Downloader.fetch``.
    """
    name = url.rpartition("/")[2]
    step = f"model {name}"
    began = services.clock.monotonic()
    services.events.emit(StepStarted(step))
    request = DownloadRequest(what=name, urls=(url,), sha256=sha256, size_bytes=size_bytes, filename=name)
    services.downloader.fetch(
        request, progress=lambda done, total: services.events.emit(StepProgress(step, done, total, "bytes"))
    )
    disk.make_dirs(to.parent, durable=False)
    disk.remove(to)
    disk.link_file(services.store.blob_path(sha256), to)
    seconds = services.clock.monotonic() - began
    services.events.emit(StepFinished(step, seconds))
    return seconds
