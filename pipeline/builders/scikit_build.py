"""What making a wheel with scikit-build-core means in a command line: pure functions from data to arguments.

The backend is driven through ``build``, in a process of its own that has no network and no environment to install into.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.builders import cmake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def wheel_argv(
    python: str,
    *,
    project: str,
    output: str,
    settings: Mapping[str, str | Sequence[str]],
    check_dependencies: bool = True,
) -> tuple[str, ...]:
    """Return the command that makes the wheel of a project.

    Args:
        python: interpreter that has ``build`` and ``scikit-build-core``.
        project: folder with pyproject.toml.
        output: folder for the wheel.
        settings: of the backend, as its ``config-settings``; a list is given once for each item.
        check_dependencies: whether what the project says it needs for building must be there.
    """
    flags: list[str] = []
    for name, value in settings.items():
        flags += [f"-C{name}={item}" for item in ([value] if isinstance(value, str) else value)]
    skip = () if check_dependencies else ("--skip-dependency-check",)
    return (python, "-I", "-m", "build", "--wheel", "--no-isolation", *skip, "--outdir", output, *flags, project)


def environment(
    base: Mapping[str, str], *, epoch_seconds: int, programs: Sequence[str] = (), more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the whole environment of the backend: as hermetic as a compile, and pip would find no index either.

    Args:
        base: what may be inherited.
        epoch_seconds: SOURCE_DATE_EPOCH.
        programs: folders that are looked into for programs before any other.
        more: variables beside these.
    """
    found = cmake.environment(base, epoch_seconds=epoch_seconds)
    path = os.pathsep.join([*programs, found.get("PATH", "")])
    return {**found, "PATH": path, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, **(more or {})}
