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
    from collections.abc import Iterable, Sequence

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
    raise UnknownNameError(
        f"{text!r} is not a target", hint="write <engine>/<platform>-<accel>, for example llama.cpp/linux-x86_64-cpu"
    )


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


def conda_subdir(platform: str) -> str:
    """Return what conda calls a platform, for example ``osx-arm64``."""
    return _CONDA_SUBDIRS[platform]


def miniforge_file(version: str, platform: str) -> str | None:
    """Return what a release of Miniforge calls its installer for a platform; None where it has no shell script."""
    suffix = _MINIFORGE_SUFFIXES.get(platform)
    return None if suffix is None else f"Miniforge3-{version}-{suffix}.sh"


def select_targets(patterns: Sequence[str], known: Iterable[Target]) -> tuple[Target, ...]:
    """Return the known targets that any of ``patterns`` names, in the order of ``known``.

    A pattern is a target, a target without its engine, or a glob over either; a comma separates several.

    Raises:
        UnknownNameError: a pattern matches nothing, with near matches.
        AmbiguousNameError: a name without engine is one of several engines.
    """
    everything = tuple(known)
    chosen: set[Target] = set()
    for pattern in (part.strip() for text in patterns for part in text.split(",")):
        matches = [t for t in everything if pattern and t.is_named(pattern)]
        if not matches:
            raise UnknownNameError(f"no target matches {pattern!r}", hint=_near(pattern, everything))
        is_glob = any(c in pattern for c in "*?[")
        if not is_glob and len(matches) > 1:
            raise AmbiguousNameError(
                f"{pattern!r} is ambiguous", hint=f"name the engine too: {', '.join(map(str, matches))}"
            )
        chosen.update(matches)
    return tuple(t for t in everything if t in chosen)


def _near(pattern: str, known: Sequence[Target]) -> str:
    names = [name for t in known for name in (str(t), t.short)]
    near = difflib.get_close_matches(pattern, names, n=4, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else "`python -m pipeline targets` lists them all"


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
