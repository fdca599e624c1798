"""Names that users, CI jobs and other programs rely on: platforms, accelerators, targets, versions.

The vocabulary is fixed in docs/contract.md; what Python calls a machine is translated here.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

PLATFORMS = (
    "linux-x86_64",
    "linux-arm64",
    "macos-arm64",
    "macos-x86_64",
    "windows-x86_64",
    "windows-arm64",
)

_ACCEL = re.compile(
    r"(?:cpu|noavx|avx|avx2|avx512|openblas|clblast|rpc|kompute|vulkan|sycl|metal|opencl|cann|hexagon|mlx|mlx-openai"
    r"|cuda-\d+\.\d+|rocm(?:-\d+(?:\.\d+)*)?|musa|openvino-\d+(?:\.\d+)*)"
)
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")  # the pattern of model.frozen.Name
_MACHINES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "x64": "x86_64",
    "arm64": "arm64",
    "aarch64": "arm64",
}
_CONDA_SUBDIRS = {  # conda/base/constants.py, KNOWN_SUBDIRS
    "linux-x86_64": "linux-64",
    "linux-arm64": "linux-aarch64",
    "macos-arm64": "osx-arm64",
    "macos-x86_64": "osx-64",
    "windows-x86_64": "win-64",
    "windows-arm64": "win-arm64",
}
_MINIFORGE_SUFFIXES = {  # of its release's files: what uname -s and uname -m say; Windows has an .exe, no script
    "linux-x86_64": "Linux-x86_64",
    "linux-arm64": "Linux-aarch64",
    "macos-arm64": "MacOSX-arm64",
    "macos-x86_64": "MacOSX-x86_64",
}
_SYSTEMS = {"linux": "linux", "darwin": "macos", "macos": "macos", "windows": "windows", "win32": "windows"}
_SYSTEM_SPELLINGS = {  # conda's, pip's tags, Docker's, upstream's archives
    **_SYSTEMS,
    "mac": "macos",
    "macosx": "macos",
    "osx": "macos",
    "win": "windows",
    "manylinux": "linux",
    "ubuntu": "linux",
    "debian": "linux",
}
_SPELT = re.compile(r"x86[_-]64|arm64|aarch64|amd64|x64|win32|[a-z]+|\d+")


class UnknownNameError(UsageError):
    """A platform, accelerator or target is not one this project knows."""


class AmbiguousNameError(UnknownNameError):
    """A target was named without its engine, and several engines have it."""


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One thing to make: an engine for a platform and an accelerator.

    Attributes:
        engine: for example ``llama.cpp``.
        platform: one of ``PLATFORMS``.
        accel: for example ``cpu``, ``avx2``, ``cuda-13.0``.
    """

    engine: str
    platform: str
    accel: str

    @property
    def short(self) -> str:
        """The target without its engine: ``linux-x86_64-cpu``."""
        return f"{self.platform}-{self.accel}"

    def is_named(self, pattern: str) -> bool:
        """Tell whether a target, one without its engine, or a glob over either names this one."""
        return fnmatch.fnmatchcase(str(self) if "/" in pattern else self.short, pattern)

    def __str__(self) -> str:
        """Return ``<engine>/<platform>-<accel>``."""
        return f"{self.engine}/{self.short}"


def parse_accel(text: str) -> str:
    """Return ``text`` if it names an accelerator; an unknown one is an error, never ``cpu``.

    Raises:
        UnknownNameError: ``text`` is no accelerator of the contract.
    """
    if not _ACCEL.fullmatch(text):
        raise UnknownNameError(f"unknown accelerator {text!r}", hint="see docs/contract.md for the names")
    return text


def family_of(accel: str) -> str:
    """Return the family of an accelerator, its name without a version: ``cuda-12.4`` is ``cuda``, ``avx2`` is ``avx2``.

    The name is taken as it is: one that this project does not know has a family that nobody has registered.
    """
    return re.sub(r"-\d+(?:\.\d+)*$", "", accel)


def accel_version(accel: str) -> str:
    """Return the version in an accelerator's name, empty where it has none: ``cuda-12.4`` has ``12.4``."""
    return accel.removeprefix(family_of(accel)).removeprefix("-")


def is_family(name: str) -> bool:
    """Tell whether ``name`` is an accelerator, or what stands before the version of one."""
    return any(_ACCEL.fullmatch(text) for text in (name, f"{name}-1.0"))


def parse_target(text: str) -> Target:
    """Parse the full form ``<engine>/<platform>-<accel>``.

    Raises:
        UnknownNameError: a part is missing or not a known name.
    """
    engine, slash, short = text.partition("/")
    if slash and engine:
        for platform in PLATFORMS:
            if short.startswith(f"{platform}-"):
                return Target(engine, platform, parse_accel(short.removeprefix(f"{platform}-")))
    spelt = with_known_platform(short) if slash and engine else None
    hint = "write <engine>/<platform>-<accel>, for example llama.cpp/linux-x86_64-cpu"
    raise UnknownNameError(f"{text!r} is not a target", hint=f"did you mean {engine}/{spelt}?" if spelt else hint)


def parse_release(text: str) -> str:
    """Return ``text`` if it can name a release of ours in a manifest.

    Raises:
        UsageError: it has other characters than ``model.frozen.Name``, is empty or too long.
    """
    if not _RELEASE.fullmatch(text):
        raise UsageError(
            f"{text!r} is no name of a release",
            hint="up to 128 letters, digits and . _ + -, the first a letter or digit: for example 2026.11.0",
        )
    return text


def program_file(name: str, platform: str) -> str:
    """Return what a program's file is called on a platform."""
    return f"{name}.exe" if platform.startswith("windows-") else name


def platform_of(system: str, machine: str) -> str:
    """Return the platform for the values of ``platform.system()`` and ``platform.machine()``.

    Raises:
        UnknownNameError: the combination is not one this project serves.
    """
    name = f"{_SYSTEMS.get(system.lower(), system)}-{_MACHINES.get(machine.lower(), machine)}"
    if name not in PLATFORMS:
        raise UnknownNameError(f"no engine is made for {system} on {machine}", hint=f"served: {', '.join(PLATFORMS)}")
    return name


def meant_platforms(text: str) -> tuple[str, ...]:
    """Return the platforms that another spelling means: all of a system's where it names a system alone.

    ``osx-arm64``, ``macosx_14_0_arm64``, ``darwin/arm64`` and ``mac-arm64`` are ``macos-arm64``; ``win-64`` is
    ``windows-x86_64``. Empty where it means none.
    """
    words = _SPELT.findall(text.lower().replace("x86-64", "x86_64"))
    systems = [_SYSTEM_SPELLINGS[word] for word in words if word in _SYSTEM_SPELLINGS]
    machines = [_MACHINES[word] for word in words if word in _MACHINES]
    others = [word for word in words if word not in _SYSTEM_SPELLINGS and word not in _MACHINES]
    if len(systems) != 1 or len(machines) > 1 or any(word.isalpha() for word in others):
        return ()
    if not machines and others == ["64"]:  # as conda has it: linux-64
        machines = ["x86_64"]
    if not machines:
        return () if others else tuple(name for name in PLATFORMS if name.startswith(f"{systems[0]}-"))
    return tuple(name for name in PLATFORMS if name == f"{systems[0]}-{machines[0]}")


def platform_hint(text: str, known: Collection[str] = PLATFORMS) -> str:
    """Return what to write instead of a platform that is none, or not among the known ones."""
    meant = [name for name in meant_platforms(text) if name in known and name != text]
    near = meant or difflib.get_close_matches(text, known, n=2)
    meaning = f"did you mean {' or '.join(near)}? " if near else ""
    return f"{meaning}there are {', '.join(known)}"


def with_known_platform(short: str) -> str | None:
    """Return a target without its engine with its platform as the contract has it: ``osx-arm64-mlx``.

    None where no platform can be made out, or it is spelt so already.
    """
    places = [place for place, character in enumerate(short) if character == "-"]
    for place in reversed(places):
        meant = meant_platforms(short[:place])
        if len(meant) == 1 and meant[0] != short[:place]:
            return f"{meant[0]}{short[place:]}"
    return None


def conda_subdir(platform: str) -> str:
    """Return what conda calls a platform, for example ``osx-arm64``."""
    return _CONDA_SUBDIRS[platform]


def miniforge_file(version: str, platform: str) -> str | None:
    """Return what a release of Miniforge calls its installer for a platform; None where it has no shell script."""
    suffix = _MINIFORGE_SUFFIXES.get(platform)
    return None if suffix is None else f"Miniforge3-{version}-{suffix}.sh"


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Return a key that orders versions by number, never as text: ``b9999 < b10000``, ``9.1 < 10.0``.

    Digits compare as integers; the text between them compares as text and sorts before any number.
    """
    parts = re.findall(r"\d+|[^\d.\-_+]+", version)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)


def is_older(version: str, floor: str) -> bool:
    """Compare two versions by number; zeros at the end say nothing: ``13.3`` is not older than ``13.3.0``."""
    found, needed = (version_key(re.sub(r"(\.0+)+$", "", text)) for text in (version, floor))
    return found < needed
