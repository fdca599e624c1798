"""Whether a wheel's tags fit a platform, a Python and the oldest system that is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from pipeline.names import conda_subdir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.environment import Floors

_LEGACY_MANYLINUX = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}  # PEP 600
_OLDEST_GLIBC_MINOR = 5  # manylinux1, the oldest of PEP 600's table


def wheel_misfit(filename: str, *, platform: str, python: str, floors: Floors) -> str:
    """Return why a wheel does not install everywhere that an environment promises to run, empty when it does.

    Args:
        filename: of the wheel.
        platform: of the contract's names.
        python: ``3.14``.
        floors: the oldest systems.
    """
    try:
        _, _, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        return f"is no name of a wheel: {error}"
    if tags & set(supported_tags(platform, python, floors)):
        return ""
    asked = ", ".join(sorted(str(tag) for tag in tags))
    return f"is for {asked}, which is not {platform} with Python {python}{_floor_text(platform, floors)}"


def supported_tags(platform: str, python: str, floors: Floors) -> Iterator[Tag]:
    """Yield every tag that installs wherever an environment promises to run, the most specific first."""
    major, minor = (int(part) for part in python.split(".")[:2])
    platforms = list(_platform_tags(platform, floors))
    yield from cpython_tags((major, minor), abis=[f"cp{major}{minor}"], platforms=platforms)
    yield from compatible_tags((major, minor), f"cp{major}{minor}", platforms)


def _platform_tags(platform: str, floors: Floors) -> Iterator[str]:
    system, _, machine = platform.partition("-")
    if system == "macos":
        major, minor = (int(part) for part in f"{floors.macos or '11'}.0".split(".")[:2])
        yield from mac_platforms((major, minor), machine)
    elif system == "linux":
        arch = "aarch64" if machine == "arm64" else machine
        glibc = tuple(int(part) for part in (floors.glibc or "2.17").split(".")[:2])
        for minor in range(glibc[1], _OLDEST_GLIBC_MINOR - 1, -1):
            yield f"manylinux_2_{minor}_{arch}"
            if legacy := _LEGACY_MANYLINUX.get((2, minor)):
                yield f"{legacy}_{arch}"
    else:
        yield {"win-64": "win_amd64", "win-arm64": "win_arm64"}[conda_subdir(platform)]


def _floor_text(platform: str, floors: Floors) -> str:
    if platform.startswith("macos-"):
        return f" on macOS {floors.macos or '11'}"
    return f" on glibc {floors.glibc or '2.17'}" if platform.startswith("linux-") else ""
