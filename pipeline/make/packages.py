"""Brings the packages of an environment into the store, as they are published."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import IntegrityError, NetworkError, NothingSelectedError, OfflineError
from pipeline.events import StepProgress
from pipeline.make.outputs import Outputs, made
from pipeline.make.wanted import wanted_file
from pipeline.model.clean_text import without_user_info
from pipeline.model.counts import counted, listed, sized
from pipeline.names import CHANNEL_PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.model.environment_actions import FetchPackages, PackageFile
    from pipeline.ports import DownloadRequest, Services


_SHOWN = 40
"""Whoever brings files by hand needs every name: more than the 38 wheels of ``envs/mlx``, and a terminal full."""


class _Kind(NamedTuple):
    """What is said of one kind of file.

    Attributes:
        names: one and several.
        form: the ``lock --format`` that lists them; empty where there is none.
        lists: what that list says, and where it can be made.
        without: what does without them; empty where nothing does.
    """

    names: tuple[str, str]
    form: str = ""
    lists: str = ""
    without: str = ""


_KINDS = {
    "conda packages": _Kind(
        ("conda package", "conda packages"),
        form="conda-explicit",
        lists="prints their urls",
        without="make a bundle of the wheels alone with --wheels-only",
    ),
    "wheels": _Kind(
        ("wheel", "wheels"),
        form="pylock",
        lists="lists them, and with --with-urls, on a machine that reaches an index, their urls",
    ),
    "toolkit": _Kind(("package of the toolkit", "packages of the toolkit"), without="name one with --toolkit FOLDER"),
    "Miniforge": _Kind(
        ("installer of Miniforge", "installers of Miniforge"),
        without="make a bundle without it: leave --with-miniforge out",
    ),
}
"""By what a step says that it brings."""


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
        raise OfflineError(
            f"{_without(action, requests, services)}: the network is forbidden",
            hint=f"run once without --offline, which keeps them in the cache folder; or {_elsewhere(action, services)}",
        ) from error
    except NothingSelectedError as error:
        raise NothingSelectedError(
            f"{_whose(action)}: {error.message}",
            hint=f"it was withdrawn, or the index is another one: lock anew with `lock --env {action.environment}`, "
            "or name a place that has it in ENGINE_PIPELINE_MIRROR",
        ) from error
    except NetworkError as error:
        raise _not_had(action, requests, services, error) from error
    return made(blobs={blob.filename: blob for blob in blobs}, summary=f"{_count(action)}, {sized(total)}")


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


def _not_had(
    action: FetchPackages, requests: Sequence[DownloadRequest], services: Services, error: NetworkError
) -> NetworkError:
    channel = without_user_info(action.files[0].channel or "")
    if not channel:
        return NetworkError(
            f"{_without(action, requests, services)}: {error.message}",
            hint=f"{error.hint or 'run the same command again later'}; or {_elsewhere(action, services)}",
        )
    kind, missing = _KINDS[action.what], _missing(requests, services)
    why = _named(missing) if missing else error.message
    count = f"{len(missing)} of " if missing else ""
    return NetworkError(
        f"{count}{_whose(action)} cannot be had: {why}",
        hint=f"{_elsewhere(action, services)}; or name another place of {channel} in {CHANNEL_PLACES}; "
        f"or {kind.without}",
    )


def _without(action: FetchPackages, requests: Sequence[DownloadRequest], services: Services) -> str:
    """Return which files are neither in the store nor on a mirror, and where they were looked for."""
    missing = tuple(_missing(requests, services))
    places = ", ".join(("the store", *(_folder(mirror) for mirror in services.mirrors)))
    return f"{len(missing)} of {_whose(action)} are not here ({listed(missing, shown=_SHOWN)}; looked for in {places})"


def _named(missing: dict[str, str]) -> str:
    """Return the missing files, and the reason once for all that share it."""
    by_reason: dict[str, list[str]] = {}
    for name, why in missing.items():
        by_reason.setdefault(why.replace(name, "FILE"), []).append(name)
    return "; ".join(f"{listed(names, shown=_SHOWN)} ({why})" for why, names in by_reason.items())


def _elsewhere(action: FetchPackages, services: Services) -> str:
    """Return the hint how the files come from somewhere else, and which command says where they are to be had."""
    fill = (
        f"put the files by their names into {_folder(services.mirrors[0])}, in no folder below it"
        if services.mirrors
        else "put the files by their names into one folder and name that with --from-mirror"
    )
    kind = _KINDS[action.what]
    command = f"`lock --env {action.environment} --platform {action.platform} --format {kind.form}`"
    return f"{fill} ({command} {kind.lists})" if kind.form else fill


def _folder(mirror: str) -> str:
    """Return a mirror as its user would type it."""
    return mirror.removeprefix("file://")


def _whose(action: FetchPackages) -> str:
    return f"{_count(action)} of {action.environment} for {action.platform}"


def _count(action: FetchPackages) -> str:
    return counted(len(action.files), *_KINDS[action.what].names)
