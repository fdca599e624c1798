"""Apple's developer tools: Xcode's or the command line tools', whichever ``xcode-select`` has chosen.

Programs of their names are on every Mac, also where no tools are installed: those ask whoever sits there, in a window,
whether to install some. So nothing is started before ``xcode-select`` says that there are tools, and what is started is
what ``xcrun`` finds among them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.model.host import Tool
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ports import CommandRunner

# Tool to the program that xcrun knows, and what makes it say its version.
_PROGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cc": ("clang", ("--version",)),
    "cxx": ("clang++", ("--version",)),
    "ld": ("ld", ("-v",)),
    "dsymutil": ("dsymutil", ("--version",)),
}
# These say no version: strip comes with the compiler, codesign with the system.
_OF_THE_COMPILER, _OF_THE_SYSTEM = ("strip",), ("codesign",)
_SDK = "sdk"
TOOLS = frozenset({*_PROGRAMS, *_OF_THE_COMPILER, *_OF_THE_SYSTEM, _SDK})
"""What is looked for here."""

# The linker says LLVM's version too, which is another one: dyld-1015.7 is what Xcode 15.0 to 15.2 call it.
_LINKER = re.compile(r"PROJECT:(?:ld|ld64|dyld)-(\d+(?:\.\d+)*)")
_VERSION = re.compile(r"(?:\bversion |^)(\d+(?:\.\d+)*(?:\+[\d.]+)?)(?: \(clang-(\d+(?:\.\d+)*)\))?", re.MULTILINE)
_CLANG = "Apple clang"
_PROBE_SECONDS = 60.0
"""xcrun looks through a whole Xcode when it is asked for the first time."""


class AppleTools:
    """Finds them.

    Args:
        commands: to ask with.
        environment: PATH and HOME are looked at, and ``DEVELOPER_DIR``, which names other tools than those chosen.
        macos: version of the system.
    """

    def __init__(self, commands: CommandRunner, environment: Mapping[str, str], *, macos: str | None) -> None:
        self._commands = commands
        names = ("PATH", "HOME", "DEVELOPER_DIR")
        self._environment = {"LC_ALL": "C", **{name: environment[name] for name in names if name in environment}}
        self._macos = macos
        self._are_there: bool | None = None

    def tool(self, name: str) -> Tool | None:
        """Return a tool of ``TOOLS`` by its name; None where there is none, or no developer tools at all."""
        if self._are_there is None:
            self._are_there = bool(self._said("xcode-select", "--print-path"))
        if not self._are_there:
            return None
        if name == _SDK:
            path, version = (_last_line(self._said("xcrun", f"--show-sdk-{what}")) for what in ("path", "version"))
            return self._tool(name, path, version)
        program, asking = _PROGRAMS.get(name, (name, ()))
        path = _last_line(self._said("xcrun", "--find", program))
        if name in _OF_THE_COMPILER:
            compiler = self.tool("cc")
            return self._tool(name, path, compiler.version if compiler else "")
        if name in _OF_THE_SYSTEM:
            return self._tool(name, path, self._macos or "")
        said = self._said(path, *asking) if path else ""
        return self._tool(name, path, said, vendor="apple-clang" if _CLANG in said else "")

    @staticmethod
    def _tool(name: str, path: str, said: str, *, vendor: str = "") -> Tool | None:
        match = _LINKER.search(said) or _VERSION.search(said)
        if not path or match is None or not Path(path).exists():
            return None
        return Tool(name=name, path=path, version="+".join(filter(None, match.groups())), vendor=vendor)

    def _said(self, *argv: str) -> str:
        """Return what a program says, empty when it fails or is not there."""
        command = Command(argv, cwd=Path("/"), env=self._environment, timeout_seconds=_PROBE_SECONDS)
        try:
            outcome = self._commands.run(command)
        except HostError:
            return ""
        return "\n".join(outcome.tail).strip() if outcome.exit_code == 0 else ""


def _last_line(said: str) -> str:
    """Return what an answer ends with: warnings come before it."""
    return said.splitlines()[-1].strip() if said else ""
