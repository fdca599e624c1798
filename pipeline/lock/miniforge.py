"""Pins the installers of a Miniforge release: digests as the release says them, sizes as its files have them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.catalog.environments import environment_platforms
from pipeline.catalog.lock_files import LockError
from pipeline.catalog.miniforge import MINIFORGE, RELEASES, miniforge_text, read_miniforge
from pipeline.errors import IntegrityError, NothingSelectedError, PipelineError, UsageError
from pipeline.events import Notice
from pipeline.model.environment import MiniforgeInstaller
from pipeline.model.frozen import Frozen
from pipeline.names import miniforge_file
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.ports import Disk, Services

LICENSE = "BSD-3-Clause"  # LICENSE of its repository
_LIMIT_BYTES = 4096  # a digest and a name
INSTALLER_LIMIT_BYTES = 512 << 20
"""An installer of more bytes is none: the release says no sizes, and its installers have tens of megabytes."""
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)+-[0-9]+")  # conda's version and a build number, as its tags have been
_SAID = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(\S+)\s*")  # as sha256sum writes it; the name is ./Miniforge3-...


class StalePinError(PipelineError):
    """What is pinned of Miniforge is not what an environment needs."""


class MiniforgePinned(Frozen):
    """What pinning came to.

    Attributes:
        environment: name of it.
        installers: platform to what is pinned for it.
        files: that were written, or would be; empty where nothing is new.
        dry_run: whether nothing was written.
    """

    environment: str
    installers: dict[str, MiniforgeInstaller]
    files: tuple[str, ...]
    dry_run: bool


def pin_miniforge(folder: Path, version: str, services: Services, *, disk: Disk, dry_run: bool) -> MiniforgePinned:
    """Pin the installer of each platform of an environment in its ``miniforge.toml``.

    Each is downloaded, since the release says no sizes, and must have the digest that its ``.sha256`` says.

    Raises:
        UsageError: the version is none.
        LockError: the environment is for a platform that Miniforge has no script for, or its file makes no sense.
        NothingSelectedError: there is no such release, or it lacks an installer.
        IntegrityError: an installer is not what its ``.sha256`` says or is too large, or that says nothing.
        NetworkError, OfflineError, NoSpaceError: as their names say.
    """
    if not _VERSION.fullmatch(version):
        raise UsageError(f"--miniforge {version}: is no version of Miniforge", hint="for example 25.3.0-3")
    names = {platform: miniforge_file(version, platform) for platform in environment_platforms(folder)}
    if without := [platform for platform, name in names.items() if name is None]:
        raise LockError(f"{folder.name} is for {without[0]}, and Miniforge has no shell script for it")
    installers = {platform: _pinned(name, version, services) for platform, name in names.items() if name is not None}
    path, text = folder / MINIFORGE, miniforge_text(folder.name, installers)
    is_new = not path.is_file() or path.read_text(encoding="utf-8") != text
    if is_new and not dry_run:
        disk.replace_file(path, text.encode(), staging_dir=folder)
    return MiniforgePinned(
        environment=folder.name, installers=installers, files=(MINIFORGE,) if is_new else (), dry_run=dry_run
    )


def pin_problems(folder: Path, platforms: Sequence[str]) -> tuple[str, ...]:
    """Return why Miniforge must be pinned again in an environment, empty when it need not or was never pinned.

    Args:
        folder: of the environment, below envs/.
        platforms: of the contract's names, all that it is for.
    """
    problems: list[str] = []
    for platform in platforms:
        try:
            read_miniforge(folder, platform)
        except LockError as error:
            problems += error.message.splitlines()
    return tuple(dict.fromkeys(problems))


def _pinned(filename: str, version: str, services: Services) -> MiniforgeInstaller:
    """Return an installer with its digest and its size."""
    place = services.channels.get(RELEASES, RELEASES)
    url = f"{place}/{version}/{filename}"
    said = services.downloader.read_small(f"{url}.sha256", limit_bytes=_LIMIT_BYTES)
    if said is None:
        raise NothingSelectedError(f"there is no {url}.sha256", hint=f"the versions that there are stand at {RELEASES}")
    match = _SAID.fullmatch(said.decode("ascii", errors="replace"))
    if match is None or match[2] != filename:
        raise IntegrityError(
            f"{url}.sha256 does not say the digest of {filename}", hint="it is something else, or was changed"
        )
    services.events.emit(Notice(f"{filename}: sha256 {match[1]}"))
    blob = services.downloader.fetch(
        DownloadRequest(
            what=filename,
            urls=(url,),
            sha256=match[1],
            size_bytes=None,
            filename=filename,
            limit_bytes=INSTALLER_LIMIT_BYTES,
        )
    )
    return MiniforgeInstaller(
        version=version,
        releases=RELEASES,
        filename=filename,
        sha256=match[1],
        size_bytes=blob.size_bytes,
        license=LICENSE,
    )
