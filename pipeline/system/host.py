"""Looks at this machine: platform, processor, libraries, tools."""

from __future__ import annotations

import importlib.util
import math
import os
import platform
import re
import shlex
import shutil
import sysconfig
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError, UsageError
from pipeline.model.cpu_features import KERNEL_FEATURES
from pipeline.model.host import HostFacts, Tool
from pipeline.names import platform_of, version_key
from pipeline.ports import Command
from pipeline.system.apple_tools import TOOLS as APPLE_TOOLS
from pipeline.system.disk import nearest_folder
from pipeline.system.host_libraries import Libraries, find_libraries
from pipeline.system.process_guard import ProcessGuard
from pipeline.system.survey import survey
from pipeline.system.toolkits import find_toolkits, look_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.model.toolkit import Toolkit, ToolkitPlace
    from pipeline.ports import CommandRunner
    from pipeline.system.apple_tools import AppleTools

_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "cc": ("cc", "gcc", "clang"),
    "cxx": ("c++", "g++", "clang++"),
    "ninja": ("ninja", "ninja-build"),
}
_VARIABLES: Mapping[str, str] = {"cc": "CC", "cxx": "CXX"}
# Packages whose program in the scripts folder is a Python wrapper (70 ms a call) to a real one inside the package.
_INSIDE_PACKAGE: Mapping[str, str] = {"cmake": "data/bin"}
# What a compiler says of itself, to its maker; Apple counts versions of its own.
_VENDORS: Mapping[str, str] = {"Apple clang": "apple-clang", "clang": "clang", "Free Software Foundation": "gcc"}
_CACHES = {"ccache", "sccache", "distcc"}  # may stand before the compiler in CC and CXX
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_COMPILER_VERSION = re.compile(r"\) (\d+(?:\.\d+)+)|version (\d+(?:\.\d+)+)")
_PROBE_SECONDS = 10.0


class LocalHost:
    """Implements ``ports.HostProbe``.

    Args:
        commands: to ask tools for their versions with.
        environment: PATH, CC and CXX are looked at.
        device_environment: what an engine would run in (LD_LIBRARY_PATH, VK_DRIVER_FILES ...), for looking at devices;
            None for ``environment``.
        variables: any of them may name the folder of a toolkit, as its recipe says; none is given to a program.
        apple: what finds Apple's developer tools; None off macOS.
    """

    def __init__(
        self,
        commands: CommandRunner,
        environment: Mapping[str, str],
        *,
        device_environment: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        apple: AppleTools | None = None,
    ) -> None:
        self._commands = commands
        self._environment = environment
        self._device_environment = environment if device_environment is None else device_environment
        self._variables = variables or {}
        self._apple = apple
        self._found: dict[tuple[str, str | None], Tool | None] = {}
        self._surveyed: HostFacts | None = None

    @cached_property
    def _facts(self) -> HostFacts:
        glibc = _glibc()
        name = platform_of(platform.system(), platform.machine())
        libraries = find_libraries(self._device_environment) if name.startswith("linux-") else Libraries()
        return HostFacts(
            platform=name,
            system=_system_name(),
            cpu_count=_cpu_count(),
            cpu_features=_cpu_features(),
            glibc=glibc,
            memory_bytes=_memory_bytes(),
            macos=_dotted(platform.mac_ver()[0]),
            windows=_dotted(platform.version()) if name.startswith("windows-") else None,
            libstdcxx=libraries.libstdcxx,
            libraries=libraries.names,
            metal=name == "macos-arm64",  # every Apple silicon Mac has it, also in a virtual machine
        )

    def facts(self) -> HostFacts:
        """Return what is known without starting any program; the devices are left out."""
        return self._facts

    def survey(self) -> HostFacts:
        """Return everything that is known, devices too: programs are started, each bounded in time and output."""
        if self._surveyed is None:
            guard = ProcessGuard()
            guard.prepare()
            self._surveyed = survey(self._facts, env=self._device_environment, guard=guard)
        return self._surveyed

    def tool(self, name: str, *, minimum: str | None = None) -> Tool | None:
        """Return a tool of at least that version, the system's before the packaged one; None when there is neither.

        Raises:
            UsageError: CC or CXX is no command line.
        """
        key = (name, minimum)
        if key not in self._found:
            self._found[key] = next(
                (tool for tool in self._candidates(name) if minimum is None or _at_least(tool.version, minimum)), None
            )
            if self._found[key] is not None:
                # Later questions without a minimum are about the very tool that was chosen.
                self._found[name, None] = self._found[key]
        return self._found[key]

    def toolkits(self, toolkit: Toolkit, version: str, *, folder: Path | None = None) -> tuple[ToolkitPlace, ...]:
        """Return the folders that have an accelerator's toolkit, in the recipe's order."""
        if folder is not None:
            return (look_into(folder.resolve(), toolkit, commands=self._commands, environment=self._environment),)
        return find_toolkits(
            toolkit, version, commands=self._commands, environment=self._environment, variables=self._variables
        )

    def free_bytes(self, path: Path) -> int:
        """Return the free space for files below ``path`` (or its nearest folder that exists)."""
        return shutil.disk_usage(nearest_folder(path.absolute())).free

    def _candidates(self, name: str) -> Iterator[Tool]:
        chosen = _compiler_in(self._environment, _VARIABLES[name]) if name in _VARIABLES else ""
        if self._apple is not None and name in APPLE_TOOLS and not chosen:
            tool = self._apple.tool(name)
            yield from () if tool is None else (tool,)
            return
        programs = (chosen,) if chosen else _PROGRAMS.get(name, (name,))
        scripts = sysconfig.get_path("scripts")
        system = [folder for folder in self._environment.get("PATH", "").split(os.pathsep) if folder != scripts]
        seen: set[str] = set()
        for folder in (os.pathsep.join(system), *_package_folder(name), scripts):
            for program in programs:
                path = shutil.which(program, path=folder)
                if path and path not in seen:
                    seen.add(path)
                    tool = self._ask(name, path)
                    if tool:
                        yield tool

    def _ask(self, name: str, path: str) -> Tool | None:
        """Return the tool at ``path``, None when it does not even say its version."""
        env = {"PATH": self._environment.get("PATH", ""), "HOME": self._environment.get("HOME", "/"), "LC_ALL": "C"}
        command = Command((path, "--version"), cwd=Path("/"), env=env, timeout_seconds=_PROBE_SECONDS)
        try:
            outcome = self._commands.run(command)
        except HostError:  # no program of this machine: an empty file, another processor's
            return None
        said = "\n".join(outcome.tail)
        if outcome.exit_code != 0:
            return None
        if name in _VARIABLES:
            match = _COMPILER_VERSION.search(said)
            version = (match[1] or match[2]) if match else None
            vendor = next((vendor for words, vendor in _VENDORS.items() if words in said), "")
        else:
            found = _VERSION.search(said)
            version, vendor = found[0] if found else None, ""
        return Tool(name=name, path=path, version=version, vendor=vendor) if version else None


def _compiler_in(environment: Mapping[str, str], variable: str) -> str:
    """Return the compiler that CC or CXX names: options after it, and a compiler cache before it, are left out."""
    text = environment.get(variable, "")
    try:
        words = shlex.split(text)
    except ValueError as error:  # a quotation that never ends
        raise UsageError(f"{variable}={text!r} is no command", hint=f"correct {variable}, or unset it") from error
    if len(words) > 1 and Path(words[0]).name in _CACHES:
        words = words[1:]
    return words[0] if words else ""


def _package_folder(name: str) -> Iterator[str]:
    spec = importlib.util.find_spec(name) if name in _INSIDE_PACKAGE else None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield str(Path(place) / _INSIDE_PACKAGE[name])


def _at_least(version: str, minimum: str) -> bool:
    return version_key(version) >= version_key(minimum)


def _system_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.platform())
    except OSError:
        return platform.platform()


def _dotted(version: str) -> str | None:
    match = re.match(r"\d{1,9}(?:\.\d{1,9}){0,5}", version)
    return match[0] if match else None


def _cpu_count() -> int:
    """Return how many processors this process may use: its affinity, and its container's quota, rounded up."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *(math.ceil(share) for share in _cpu_shares(Path("/")))]))


def _cpu_shares(root: Path) -> Iterator[float]:
    """Yield the processors that control groups allow: ``cpu.max`` (v2) from the root down to ours, or v1's quota."""
    groups = root / "sys/fs/cgroup"
    try:
        ours = (root / "proc/self/cgroup").read_text(encoding="utf-8").partition("0::/")[2].split("\n", 1)[0]
    except OSError:
        ours = ""
    places = [groups / ours, *(groups / ours).parents]
    texts = [_read(place / "cpu.max") for place in places if place == groups or groups in place.parents]
    texts.append(f"{_read(groups / 'cpu/cpu.cfs_quota_us')} {_read(groups / 'cpu/cpu.cfs_period_us')}")
    for text in texts:
        if match := re.fullmatch(r"(\d+) ([1-9]\d*)", text):
            yield int(match[1]) / int(match[2])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _cpu_features() -> tuple[str, ...]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    line = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return tuple(sorted(KERNEL_FEATURES.get(flag, flag) for flag in line.partition(":")[2].split()))


def _glibc() -> str | None:
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION")  # "glibc 2.36"
    except (AttributeError, ValueError, OSError):
        return None
    return _dotted(text.removeprefix("glibc ")) if text else None


def _memory_bytes() -> int:
    """Return the memory this process may use: the machine's, or a container's limit (cgroup v2 memory.max)."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return memory
    return min(memory, int(limit)) if limit.isdigit() else memory
