"""Brings an archive of upstream's into the store: verified, vouched for, unpacked as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError, TrustError
from pipeline.events import StepFailed, StepFinished, StepProgress, StepStarted
from pipeline.make.outputs import Outputs, made
from pipeline.model.counts import counted
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.model.archive_actions import FetchArchive
    from pipeline.model.upstream import TrustLevel
    from pipeline.ports import Services


class TrustLevelSankError(TrustError):
    """An archive is vouched for by less than it was when it was pinned."""


def download_archives(actions: Sequence[FetchArchive], services: Services) -> None:
    """Bring several archives into the store side by side, before their steps unpack them one after the other.

    Raises:
        PipelineError: as ``fetch_archive``, of the first that failed; what came of the others is kept.
    """
    requests = [
        DownloadRequest.of_asset(action.asset, tag=action.tag)
        for action in {action.asset.sha256: action for action in actions}.values()
    ]
    if len(requests) < 2:  # a single one shows its progress in its own step
        return
    step = f"download {counted(len(requests), 'archive')}"
    services.events.emit(StepStarted(step))
    began = services.clock.monotonic()
    try:
        services.downloader.fetch_all(
            requests,
            jobs=services.jobs,
            progress=lambda now, total: services.events.emit(StepProgress(step, now, total, "bytes")),
        )
    except PipelineError as error:
        services.events.emit(StepFailed(step, error.message))
        raise
    total = sum(request.size_bytes or 0 for request in requests)
    services.events.emit(StepFinished(step, services.clock.monotonic() - began, f"{total / 1e6:.1f} MB"))


def fetch_archive(action: FetchArchive, step: str, services: Services, work: Path) -> Outputs:
    """Download an archive, check what vouches for it, and unpack it.

    Raises:
        IntegrityError: the bytes are not what was pinned, or the archive is malformed or dangerous.
        TrustError: upstream's statement about it does not hold, or is gone.
        NetworkError, OfflineError, NoSpaceError: as their names say.
    """
    asset = action.asset
    blob = services.downloader.fetch(
        DownloadRequest.of_asset(action.asset, tag=action.tag),
        progress=lambda now, total: services.events.emit(StepProgress(step, now, total, "bytes", asset.name)),
    )
    level = _vouched(action, services)
    local, tree_dir = work / asset.name, work / "archive"
    services.store.copy_blob(blob, local)
    count = services.archiver.unpack(local, tree_dir)
    tree = services.store.add_tree(tree_dir)
    return made(
        trees={"archive": tree},
        facts={"name": asset.name, "sha256": asset.sha256, "size": asset.size_bytes, "level": level},
        summary=f"{asset.size_bytes / 1e6:.1f} MB, {level}: {counted(count, 'file')}",
    )


def _vouched(action: FetchArchive, services: Services) -> TrustLevel:
    """Return how the digest is vouched for now; never less than when it was pinned.

    Raises:
        TrustError: the statement about the archive does not hold, or was there once and is not any more.
    """
    asset = action.asset
    if action.attestation is not None:
        if services.attestations is None:
            raise AssertionError("a plan with attestations is carried out without what checks them")
        try:
            statement = Path(action.attestation).read_bytes()
        except OSError as error:
            raise TrustError(
                f"the attestation of {asset.name} cannot be read: {action.attestation}: {error.strerror}",
                hint="run again; the plan is made from what is there",
            ) from error
        services.attestations.verify(statement, sha256=asset.sha256, repository=action.repository)
        return "attested"
    if asset.level == "attested":
        raise TrustLevelSankError(
            f"{asset.name} was pinned as attested by {action.repository}, and its attestation is not at hand",
            hint="put it back beside the pin, as attestations/sha256-<digest>.jsonl, or pin the release anew "
            "(ci/update_pins --allow-lower)",
        )
    return asset.level
