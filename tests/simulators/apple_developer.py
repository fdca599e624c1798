"""A Mac's developer tools as scripts: they answer as Xcode 16.4's do, and write down how they were called.

What they answer was copied from Apple's documentation and public build logs; none of it was recorded here.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.accelerators.interface import example_mac
from pipeline.model.host import HostFacts, Tool
from pipeline.system.apple_tools import AppleTools
from pipeline.system.host import LocalHost
from pipeline.system.processes import ProcessRunner

CLANG = "Apple clang version 17.0.0 (clang-1700.0.13.5)\\nTarget: arm64-apple-darwin24.5.0\\nThread model: posix"
LD = "@(#)PROGRAM:ld PROJECT:ld-1167.5\\nBUILD 01:45:05 Apr 30 2025\\nconfigured to support archs: arm64 x86_64"
_SAYS = {
    "clang": CLANG,
    "clang++": CLANG,
    "ld": LD,
    "dsymutil": "Apple LLVM version 17.0.0 (clang-1700.0.13.5)\\n  Optimized build.",
}
# What each does to the files it is called with; the last argument is the file of strip and codesign.
_DOES = {
    "dsymutil": 'mkdir -p "$3/Contents/Resources/DWARF" && cp "$1" "$3/Contents/Resources/DWARF/$1"',
    "strip": 'for file; do :; done; test -w "$file"',
    "codesign": 'for file; do :; done; test -r "$file"',
}
_REFUSES_QUESTIONS = ("strip", "codesign")  # Apple's know no --version


class DeveloperTools:
    """The tools below a folder.

    Attributes:
        folder: what ``xcode-select`` names.
        sdk: the SDK's folder.
        environment: whose PATH has ``xcode-select`` and ``xcrun``, as every Mac's has.
    """

    def __init__(self, top: Path, *, sdk_version: str = "15.5") -> None:
        """Write them."""
        self.folder = top / "Library/Developer/CommandLineTools"
        self.sdk = self.folder / "SDKs/MacOSX.sdk"
        self.sdk.mkdir(parents=True)
        self._calls = top / "calls"
        self._system = top / "usr/bin"
        self.environment = {"PATH": f"{self._system}:/usr/bin:/bin", "HOME": str(top)}
        for name in ("clang", "clang++", "ld", "dsymutil", "strip", "codesign"):
            self._write(self.folder / "usr/bin" / name, self._text(name))
            # The program of that name on a Mac's PATH asks, in a window, whether to install tools.
            self._write(self._system / name, f'echo "a window for {name}" >> "{self._calls}"; exit 1')
        self._write(self._system / "cc", f'echo "a window for cc" >> "{self._calls}"; exit 1')
        self.choose(self.folder)
        self._write(
            self._system / "xcrun",
            f"""case "$1" in
--show-sdk-path) echo "{self.sdk}" ;;
--show-sdk-version) echo "{sdk_version}" ;;
--find) found="{self.folder}/usr/bin/$2"; test -x "$found" && echo "$found" ;;
*) exit 64 ;;
esac""",
        )

    def choose(self, folder: Path | None) -> None:
        """Have ``xcode-select`` name a folder; None for a Mac without tools."""
        error = "xcode-select: error: unable to get active developer directory"
        self._write(
            self._system / "xcode-select", f'echo "{error}" >&2; exit 2' if folder is None else f'echo "{folder}"'
        )

    def have_do(self, name: str, does: str) -> None:
        """Have a program do something else, as a line of the shell, than copying or looking at its file."""
        self._write(self.folder / "usr/bin" / name, self._text(name, does))

    def have_say(self, name: str, says: str) -> None:
        """Have a program say something else of its version."""
        self._write(self.folder / "usr/bin" / name, f"printf '%b\\n' '{says}'")

    def remove(self, name: str) -> None:
        """Take a program away."""
        (self.folder / "usr/bin" / name).unlink()

    @property
    def calls(self) -> list[str]:
        """How programs were called, in order, without questions for versions."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def find(self, *, macos: str = "15.5") -> AppleTools:
        """Return what looks for them."""
        return AppleTools(ProcessRunner(), self.environment, macos=macos)

    def _text(self, name: str, does: str | None = None) -> str:
        answer = "exit 1" if name in _REFUSES_QUESTIONS else f"printf '%b\\n' '{_SAYS[name]}'; exit 0"
        record = f'echo "{name} $*" >> "{self._calls}"'
        return f'case "$1" in --version | -v) {answer} ;; esac\n{record}\n{does or _DOES.get(name, "exit 1")}'

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


class Mac:
    """A Mac with Apple silicon, with real scripts for its tools; implements ``ports.HostProbe``."""

    def __init__(self, tools: DeveloperTools, *, metal: bool = True) -> None:
        """Have tools, and a GPU that Metal knows or none."""
        self._facts = example_mac().model_copy(update={"metal": metal})
        self._local = LocalHost(ProcessRunner(), {**tools.environment, "PATH": os.environ["PATH"]}, apple=tools.find())

    def facts(self) -> HostFacts:
        """Return what is known."""
        return self._facts

    def survey(self) -> HostFacts:
        """Return the same."""
        return self._facts

    def tool(self, name: str, *, minimum: str | None = None) -> Tool | None:
        """Return a tool."""
        return self._local.tool(name, minimum=minimum)
