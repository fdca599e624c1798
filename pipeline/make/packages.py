"""Brings the packages of an environment into the store, as they are published."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, NetworkError, NothingSelectedError, OfflineError
from pipeline.events import StepProgress
from pipeline.make.outputs import Outputs, made
from pipeline.make.wanted import wanted_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.model.environment_actions import FetchPackages, PackageFile
    from pipeline.ports import DownloadRequest, Services

_FROM_MIRROR = "take the files from a mirror that has them with --from-mirror"
_FROM_ELSEWHERE = {
    "conda packages": f"{_FROM_MIRROR}, or make a bundle of the wheels alone with --wheels-only",
    "Miniforge": f"{_FROM_MIRROR}, or make a bundle without it: leave --with-miniforge out",
}
"""What was asked for to what can be done where it is not to be had."""


def fetch_packages(action: FetchPackages, step: str, services: Services, work: Path) -> Outputs:
    """Bring every file of a step side by side; its blobs are called by file name.

    Raises:
        IntegrityError: a file is not what was locked, or two files have one name.
        NetworkError: some cannot be had; all that cannot are named.
        OfflineError: some are not here, and the network is forbidden; all of them are named.
        NothingSelectedError: no configured index has a wheel any more.
        NoSpaceError: the disk is full.
    """
    del work  # files go from the network straight into the store
    _require_names(action)
    requests = [_request(file, services) for file in action.files]
    total = sum(file.size_bytes for file in action.files)
    try:
        blobs = services.downloader.fetch_all(
            requests,
            jobs=services.jobs,
            progress=lambda now, _: services.events.emit(StepProgress(step, now, total, "bytes", action.what)),
        )
    except OfflineError as error:
        named = _named(_missing(requests, services)) or error.message
        raise OfflineError(f"{_whose(action)}: not here, and the network is forbidden: {named}", hint=error.hint) from (
            error
        )
    except NothingSelectedError as error:
        raise NothingSelectedError(
            f"{_whose(action)}: {error.message}",
            hint=f"it was withdrawn, or the index is another one: lock anew with `lock --env {action.environment}`, "
            "or name a place that has it in ENGINE_PIPELINE_MIRROR",
        ) from error
    except NetworkError as error:
        if action.files[0].channel is None:
            raise
        named = _named(_missing(requests, services)) or error.message
        raise NetworkError(f"{_whose(action)} cannot be had: {named}", hint=_FROM_ELSEWHERE[action.what]) from error
    return made(
        blobs={blob.filename: blob for blob in blobs}, summary=f"{len(blobs)} {action.what}, {total / 1e6:.1f} MB"
    )


def _require_names(action: FetchPackages) -> None:
    """Refuse two files of one name: the step's blobs are called by it."""
    names = [file.filename for file in action.files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise IntegrityError(
            f"{_whose(action)}: two files are called {', '.join(twice)}", hint=f"lock --env {action.environment}"
        )


def _request(file: PackageFile, services: Services) -> DownloadRequest:
    urls: tuple[str, ...] = ()
    if file.channel is not None:
        base = services.channels.get(file.channel, file.channel)
        urls = (f"{base.rstrip('/')}/{file.path}",)
    return wanted_file(services, (file.filename, file.sha256, file.size_bytes), project=file.project, urls=urls)


def _missing(requests: Sequence[DownloadRequest], services: Services) -> dict[str, str]:
    """Return file name to why it cannot be had; every place is asked once, so that all are named and not the first."""
    with ThreadPoolExecutor(max_workers=max(1, services.jobs)) as pool:
        reasons = pool.map(services.downloader.unreachable, requests)
        return {request.filename: why for request, why in zip(requests, reasons, strict=True) if why}


def _named(missing: dict[str, str]) -> str:
    """Return every missing file, and the reason once for all that share it."""
    by_reason: dict[str, list[str]] = {}
    for name, why in missing.items():
        by_reason.setdefault(why.replace(name, "..."), []).append(name)
    return "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())


def _whose(action: FetchPackages) -> str:
    return f"{action.what} of {action.environment} for {action.platform}"
