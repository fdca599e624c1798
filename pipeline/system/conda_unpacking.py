"""Unpacking conda packages as they are, not linked; runs in ``conda_worker`` alone."""

from __future__ import annotations

from pathlib import Path

from rattler.exceptions import ExtractError
from rattler.package_streaming import extract

from pipeline.errors import IntegrityError


def unpack(packages: list[str], folder: str) -> list[str]:
    """Unpack each package into a folder of its own, called like its file; return the folders, in order.

    Raises:
        IntegrityError: a package is damaged.
    """
    made = []
    for package in packages:
        place = Path(folder, Path(package).name)
        try:
            extract(Path(package), place)
        except (ExtractError, OSError) as error:
            raise IntegrityError(
                f"{Path(package).name} is a damaged conda package: {' '.join(str(error).split())}",
                hint="bring it again, or ask the channel's maintainers",
            ) from error
        made.append(str(place))
    return made
