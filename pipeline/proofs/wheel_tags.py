"""Wheel file names against a platform, a Python and the oldest systems that are served. Pure.

Rules: "Platform compatibility tags" (packaging.python.org) and PEP 600 for manylinux; which tags an interpreter takes
is ``packaging.tags``' business, asked for the target and never for this machine.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.environment import Floors

_LINUX_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
# PEP 600: what the older names stand for; there is nothing below glibc 2.5, and for arm64 nothing below 2.17.
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_LOWEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_MACOS = re.compile(r"macosx_(\d+)_(\d+)_(\w+)")
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")
_MACOS_MACHINES = {"arm64": {"arm64", "universal2"}, "x86_64": {"x86_64", "universal2", "intel", "fat64", "universal"}}


def supported_tags(platform: str, python: str, floors: Floors) -> tuple[Tag, ...]:
    """Return every tag that a Python takes on the oldest system that is served, the most specific first.

    Args:
        platform: of the contract's names.
        python: ``3.14``.
        floors: oldest systems; where none of the platform's kind is known, there is no tag.
    """
    system, _, machine = platform.partition("-")
    floor = {"macos": floors.macos, "linux": floors.glibc}.get(system)
    return _supported(system, machine, python, floor) if floor else ()


def wheel_problem(filename: str, *, platform: str, python: str, floors: Floors) -> str:
    """Return why a wheel does not fit, in words that follow its name; empty when it does.

    Args:
        filename: of the wheel.
        platform: of the contract's names.
        python: ``3.14``.
        floors: oldest systems that must be able to install it.
    """
    try:
        _, _, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return "has no name of a wheel"
    system, _, machine = platform.partition("-")
    if system == "windows" or (system == "macos" and not floors.macos) or (system == "linux" and not floors.glibc):
        return f"cannot be judged: no floor of {platform} is known"
    floor = floors.macos if system == "macos" else floors.glibc
    fitting = _supported(system, machine, python, str(floor))
    if not tags.isdisjoint(fitting):
        return ""
    platforms = {tag.platform for tag in fitting}
    named = sorted({tag.platform for tag in tags})
    if platforms.isdisjoint(named):
        return _platform_problem(named, platform, str(floor))
    made_for = sorted({f"{tag.interpreter}-{tag.abi}" for tag in tags})
    return f"is for {' and '.join(made_for)}, the environment has Python {python}"


def _platform_problem(named: list[str], platform: str, floor: str) -> str:
    system, _, machine = platform.partition("-")
    what, needs = ("macOS", _macos_needs) if system == "macos" else ("glibc", _glibc_needs)
    newer = sorted((need for name in named for need in needs(name, machine)), key=version_key)
    if newer:
        return f"needs {what} {newer[0]} or newer, the floor is {floor}"
    return f"is for {' and '.join(named)}, not for {platform}"


def _macos_needs(name: str, machine: str) -> Iterator[str]:
    found = _MACOS.fullmatch(name)
    if found and found[3] in _MACOS_MACHINES[machine]:
        yield f"{found[1]}.{found[2]}"


def _glibc_needs(name: str, machine: str) -> Iterator[str]:
    found = _MANYLINUX.fullmatch(name)
    if found and found[3] == _LINUX_MACHINES[machine]:
        yield f"{found[1]}.{found[2]}"


@lru_cache(maxsize=8)
def _supported(system: str, machine: str, python: str, floor: str) -> tuple[Tag, ...]:
    """Return every tag that a Python of the target takes where the system is as old as the floor, the best first."""
    major, minor = (int(part) for part in python.split(".")[:2])
    interpreter = f"cp{major}{minor}"
    platforms = tuple(_macos_platforms(machine, floor) if system == "macos" else _linux_platforms(machine, floor))
    return (
        *cpython_tags((major, minor), abis=[interpreter], platforms=platforms),
        *compatible_tags((major, minor), interpreter=interpreter, platforms=platforms),
    )


def _macos_platforms(machine: str, floor: str) -> Iterator[str]:
    major, _, minor = floor.partition(".")
    # From macOS 11 on minor versions say nothing in tags, and wheels name x.0 alone.
    return mac_platforms((int(major), int((minor or "0").partition(".")[0])), machine)


def _linux_platforms(machine: str, floor: str) -> Iterator[str]:
    major, _, minor = floor.partition(".")
    name = _LINUX_MACHINES[machine]
    if major == "2":
        for number in range(int(minor.partition(".")[0]), _LOWEST_GLIBC[name] - 1, -1):
            yield f"manylinux_2_{number}_{name}"
            if number in _LEGACY:
                yield f"{_LEGACY[number]}_{name}"
    yield f"linux_{name}"
