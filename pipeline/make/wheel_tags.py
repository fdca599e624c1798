"""Which wheels a Python on a platform takes, told without a machine of that kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.model.environment import Floors

# PEP 600: what the names before it mean, and the oldest glibc that an architecture has such wheels for (PEP 513, 599).
_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_MACHINES = {"linux-x86_64": "x86_64", "linux-arm64": "aarch64", "macos-x86_64": "x86_64", "macos-arm64": "arm64"}


def accepted_tags(python: str, platform: str, floors: Floors) -> frozenset[Tag]:
    """Return the tags that a CPython of a platform takes on the oldest system that it is made for.

    Args:
        python: ``3.14``.
        platform: of the contract's names.
        floors: the oldest systems; without one of its kind, only wheels that ask for no system fit.
    """
    return frozenset(_python_tags(python, tuple(_platforms(platform, floors))))


def fits_python(tags: Iterable[Tag], python: str) -> bool:
    """Tell whether one of a wheel's tags is for a CPython, whatever system it is for."""
    found = frozenset(tags)
    platforms = tuple(sorted({tag.platform for tag in found}))
    return not found.isdisjoint(_python_tags(python, platforms))


def _python_tags(python: str, platforms: tuple[str, ...]) -> Iterator[Tag]:
    major, _, minor = python.partition(".")
    version, name = (int(major), int(minor)), f"cp{major}{minor}"
    yield from cpython_tags(version, abis=[name], platforms=platforms)
    yield from compatible_tags(version, interpreter=name, platforms=platforms)


def _platforms(platform: str, floors: Floors) -> Iterator[str]:
    machine = _MACHINES.get(platform, "")
    if platform.startswith("macos-") and floors.macos is not None:
        yield from mac_platforms(_two_numbers(floors.macos), machine)
    if platform.startswith("linux-") and floors.glibc is not None:
        major, newest = _two_numbers(floors.glibc)
        for minor in range(newest, _OLDEST_GLIBC[machine] - 1, -1):
            yield f"manylinux_{major}_{minor}_{machine}"
            if minor in _OLD_NAMES:
                yield f"{_OLD_NAMES[minor]}_{machine}"
        yield f"linux_{machine}"


def _two_numbers(version: str) -> tuple[int, int]:
    major, _, rest = version.partition(".")
    return int(major), int(rest.partition(".")[0] or 0)
