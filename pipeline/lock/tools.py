"""What solves: conda-lock with a conda behind it, and uv."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

INSTALL_HINT = "install the extra `lock`: pip install 'engine-pipeline[lock]'"


@dataclass(frozen=True, slots=True)
class LockTools:
    """Programs that solve, and what they are started with.

    Attributes:
        python: argv of the Python that has conda_lock and uv.
        front: argv of the program that conda-lock takes for conda (``system.conda_front``).
        conda: the user's conda, mamba or micromamba; None for our own solver over py-rattler.
        environment: what the programs see of this process's environment: indexes, caches, proxies.
        repodata_dir: where our own solver keeps repodata from run to run.
        find_links: variables and files that name find-links, which uv is not given: a build finds no wheels there.
    """

    python: Sequence[str]
    front: Sequence[str]
    conda: str | None
    environment: Mapping[str, str] = field(repr=False)
    repodata_dir: Path
    find_links: tuple[str, ...] = ()


def require_module(tail: Sequence[str], module: str) -> None:
    """Raise HostError if a Python's last words say that it has no such module."""
    if any(f"No module named {module}" in line for line in tail):
        raise HostError(f"{module.replace('_', '-')} is not installed", hint=INSTALL_HINT)
