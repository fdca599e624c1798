"""What the steps of a plan bring from outside, and whether the cache has room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.actions import FetchModel
from pipeline.model.archive_actions import FetchArchive
from pipeline.model.environment_actions import FetchPackages
from pipeline.ports import require_space

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.plan import Step
    from pipeline.ports import Services


def require_space_for_downloads(steps: Iterable[Step], services: Services) -> None:
    """Refuse to begin when the cache's disk cannot hold what is still to be downloaded.

    What steps unpack and pack from that is not known before, so that a disk may still become full later.

    Raises:
        NoSpaceError: there is too little; both figures are named.
    """
    files: dict[str, int] = {}
    others = 0
    for step in steps:
        found = _files(step)
        others += 0 if found else step.download_bytes
        files |= found
    missing = sum(services.downloader.missing_bytes(sha256, size) for sha256, size in files.items())
    require_space(
        services.store.cache_dir,
        missing + others,
        host=services.host,
        hint="free some space, or choose another folder with --cache-dir; what came already is kept",
    )


def _files(step: Step) -> dict[str, int]:
    """Return digest to size of the files that a step asks for one by one; nothing is said of sources."""
    match step.action:
        case FetchPackages() as action:
            return {file.sha256: file.size_bytes for file in action.files}
        case FetchModel() as action:
            return {part.sha256: part.size_bytes for part in action.model.parts}
        case FetchArchive() as action:
            return {action.asset.sha256: action.asset.size_bytes}
        case _:
            return {}
