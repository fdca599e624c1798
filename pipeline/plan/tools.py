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
_INSTALL_COMPILER = {
    "linux": "Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++",
    "macos": "xcode-select --install",
    "windows": "install the Visual Studio Build Tools",
}
_INSTALL = {
    "node": "install it, or leave the web interface out (--no-web-ui)",
    "npm": "install npm, or leave the web interface out (--no-web-ui)",
    "cmake": "pip install 'engine-pipeline[build]' brings it; so does ./ci/pipeline",
    "ninja": "pip install 'engine-pipeline[build]' brings it; so does ./ci/pipeline",
    "strip": "Debian, Ubuntu: apt install binutils",
    "objcopy": "Debian, Ubuntu: apt install binutils",
}


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
    hint = _INSTALL.get(name, _INSTALL_COMPILER[platform.partition("-")[0]])
    raise HostError(f"{_COMPILERS.get(name, name)}{at_least} is needed to build and was not found", hint=hint)


def _require_compiler_version(compiler: Tool, minimum: Mapping[str, str]) -> None:
    floor = minimum.get(compiler.vendor)
    if floor and version_key(compiler.version) < version_key(floor):
        raise HostError(
            f"{compiler.path} is {compiler.vendor} {compiler.version}, and {floor} or newer is needed",
            hint="install a newer compiler, or name one with CC and CXX",
        )
