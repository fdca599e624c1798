"""Finds the programs of this machine that a build needs, or says what to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.host import Tool
    from pipeline.ports import HostProbe

_COMPILERS = {"cc": "a C compiler", "cxx": "a C++ compiler"}
_CALLED = {**_COMPILERS, "sdk": "the SDK of macOS"}
_INSTALL_COMPILER = {
    "linux": "Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++",
    "macos": (
        "xcode-select --install brings Apple's command line tools; where Xcode itself is used, `xcode-select "
        "--print-path` must name it and its license be agreed to (sudo xcodebuild -license accept)"
    ),
    "windows": "install the Visual Studio Build Tools",
}
_BINUTILS = {"linux": "Debian, Ubuntu: apt install binutils"}
_INSTALL = {
    "node": "install it, or leave the web interface out (--no-web-ui)",
    "npm": "install npm, or leave the web interface out (--no-web-ui)",
    "cmake": "pip install 'engine-pipeline[build]' brings it; so does ./ci/pipeline",
    "ninja": "pip install 'engine-pipeline[build]' brings it; so does ./ci/pipeline",
}


def how_to_install(name: str, platform: str) -> str:
    """Return what to do on a platform where a tool is missing or too old."""
    system = platform.partition("-")[0]
    if name in {"strip", "objcopy"} and system in _BINUTILS:
        return _BINUTILS[system]
    return _INSTALL.get(name) or _INSTALL_COMPILER[system]


def require_tools(names: Iterable[str], minimum: Mapping[str, str], host: HostProbe) -> dict[str, Tool]:
    """Return tools by their names.

    Args:
        names: of tools; ``cc`` and ``cxx`` are the compilers.
        minimum: tool, or maker of a compiler, to the lowest version that will do.
        host: what looks.

    Raises:
        HostError: one is missing or too old; the message says what to install.
    """
    platform = host.facts().platform
    tools = {name: _require(name, minimum.get(name), platform, host) for name in names}
    for name in filter(tools.__contains__, _COMPILERS):
        _require_compiler_version(tools[name], minimum)
    return tools


def _require(name: str, minimum: str | None, platform: str, host: HostProbe) -> Tool:
    tool = host.tool(name, minimum=minimum)
    if tool:
        return tool
    at_least = f" {minimum} or newer" if minimum else ""
    raise HostError(
        f"{_CALLED.get(name, name)}{at_least} is needed to build and was not found",
        hint=how_to_install(name, platform),
    )


def _require_compiler_version(compiler: Tool, minimum: Mapping[str, str]) -> None:
    floor = minimum.get(compiler.vendor)
    if floor and version_key(compiler.version) < version_key(floor):
        raise HostError(
            f"{compiler.path} is {compiler.vendor} {compiler.version}, and {floor} or newer is needed",
            hint="install a newer compiler, or name one with CC and CXX",
        )
