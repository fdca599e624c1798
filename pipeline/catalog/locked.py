"""Reads what is locked for a catalog's environments, when it is asked for: YAML and wheel names cost their imports."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError, NothingSelectedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.catalog.catalog import Catalog
    from pipeline.model.environment import LockedEnvironment, MiniforgeInstaller
    from pipeline.names import Target

CONDA_PROBLEM = "conda-problem.txt"
"""Written by hand where only wheels are locked: why no conda packages are. Then there is no conda-lock.yml."""


def locked_environment(catalog: Catalog, target: Target) -> LockedEnvironment:
    """Read what a target that is an environment is made of.

    Raises:
        LockError: its files are missing or wrong, or do not lock the engine itself.
        HostError: what reads locks is not installed.
    """
    with _needing_parsers():
        from pipeline.catalog.environments import read_locked_engine  # noqa: PLC0415 - see the module's docstring
    return read_locked_engine(Path(catalog.envs_dir), catalog.environments[target.engine], target.platform)


def pinned_miniforge(catalog: Catalog, target: Target) -> MiniforgeInstaller:
    """Read which installer of Miniforge is pinned for a target that is an environment.

    Raises:
        NothingSelectedError: none is.
        LockError: the pin is wrong.
        HostError: what reads locks is not installed.
    """
    with _needing_parsers():
        from pipeline.catalog.miniforge import MINIFORGE, read_miniforge  # noqa: PLC0415 - as above
    name = catalog.environments[target.engine].environment
    folder = Path(catalog.envs_dir) / name
    installer = read_miniforge(folder, target.platform)
    if installer is None:
        raise NothingSelectedError(
            f"{target} cannot be bundled with Miniforge: {folder / MINIFORGE} is missing, so no installer is pinned",
            hint=f"`lock --env {name} --miniforge VERSION` pins one, where its releases can be reached; or leave "
            "--with-miniforge out",
        )
    return installer


def check_locks(catalog: Catalog) -> tuple[str, ...]:
    """Read every environment there is on all platforms of its engines; return their names.

    Raises:
        LockError: any file of them is missing or wrong; the complaints about all of them are listed.
        HostError: what reads locks is not installed.
    """
    with _needing_parsers():
        from pipeline.catalog.environments import check_environments  # noqa: PLC0415 - as above
    return check_environments(Path(catalog.envs_dir), catalog.environments.values(), catalog.wheels.values())


def lock_conda(environment: str) -> str:
    """Return the hint how conda packages come to be locked where a file says that they are not."""
    return (
        f"to lock them from a machine that reaches their channel, remove envs/{environment}/{CONDA_PROBLEM} and run "
        f"`lock --env {environment}`"
    )


@contextmanager
def _needing_parsers() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        hint = "pip install 'engine-pipeline[build]' brings it"
        raise HostError(f"{error.name} is needed to read the locks of environments", hint=hint) from error
