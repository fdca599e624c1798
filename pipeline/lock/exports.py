"""Writes a lock in the form of other installers; nothing is solved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.catalog.environments import read_environment
from pipeline.catalog.locked import lock_conda
from pipeline.errors import UsageError
from pipeline.model.explicit_text import explicit_text
from pipeline.model.pylock_text import pylock_body

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.environment import LockedEnvironment
    from pipeline.ports import PackageIndex


def export(folder: Path, platform: str, *, form: str, index: PackageIndex | None) -> str:
    """Return the lock of one platform as a text for another installer.

    Args:
        folder: of the environment, below envs/.
        platform: of the contract's names.
        form: ``conda-explicit`` or ``pylock``.
        index: whose urls a pylock names; None for wheels that lie beside the file.

    Raises:
        LockError: the lock is missing or makes no sense.
        UsageError: no conda packages are locked, so that there is no conda-explicit list.
        NetworkError, OfflineError, NothingSelectedError: the index does not answer, or has one of the files no more.
    """
    locked = read_environment(folder, platform)
    if form == "conda-explicit":
        return conda_explicit(locked)
    urls = None
    if index is not None:
        urls = {wheel.filename: index.urls_of(wheel.project, wheel.filename)[0] for wheel in locked.wheels}
    return (
        f"# {locked.name} for {platform}, from the lock: pip and uv install it with -r, into a Python {locked.python}\n"
        + pylock_body(locked.wheels, python=locked.python, platform=platform, urls=urls)
    )


def conda_explicit(locked: LockedEnvironment) -> str:
    """Return an ``@EXPLICIT`` list as ``conda create --file`` takes it: urls with md5 after ``#``.

    Every conda, mamba and micromamba reads md5 there, and not all read sha256: it stands in a comment besides, and in
    md5's place where the record has none.

    Raises:
        UsageError: no conda packages are locked.
    """
    if not locked.conda:
        raise UsageError(
            f"envs/{locked.name} locks no conda packages: {locked.conda_problem}",
            hint=f"--format pylock has its wheels; {lock_conda(locked.name)}",
        )
    comments = (
        f"{locked.name} for {locked.platform}, from the lock",
        *(f"sha256 {package.sha256} {package.filename}" for package in locked.conda),
    )
    packages = ((package.url, package.md5 or package.sha256) for package in locked.conda)
    return explicit_text(locked.platform, comments, packages)
