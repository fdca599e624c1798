"""What a process would have left if the power had failed, worked out from its system calls as strace saw them.

A ledger keeps which bytes of files and which names of folders are not yet on the disk. A rename that makes something
count, or a hard link, is judged at its moment: what it leads to must be on the disk already. At the end every name
outside the scratch folders must be.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CALLS = (
    "openat,open,write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range,ftruncate,truncate,fallocate,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,rmdir,"
    "fsync,fdatasync,syncfs,sync"
)
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_CALL = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?P<tail>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_DESCRIPTOR = re.compile(r"(?:\d+|AT_FDCWD)<(?P<path>[^>]*)>")
_PATH = re.compile(r'(?:(?:\d+|AT_FDCWD)<(?P<folder>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
_WRITES = {
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "sendfile",
    "copy_file_range",
    "ftruncate",
    "fallocate",
}
_RENAMES = {"rename", "renameat", "renameat2"}
_SYNCS = {"fsync", "fdatasync", "syncfs", "sync"}


def require_strace() -> str:
    """Return where strace is; skip the test where there is none, or where it may not look at processes."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run([program, "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"strace may not look at processes here: {probe.stderr.strip()}")
    return program


def traced(argv: list[str], *, trace: Path, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program under strace, which writes its file-system calls to ``trace``."""
    command = [require_strace(), "-f", "-y", "-s", "0", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(trace)]
    return subprocess.run([*command, *argv], env=env, cwd=cwd, capture_output=True, text=True, check=False)


@dataclass
class Ledger:
    """What is not on the disk yet, below one folder.

    Attributes:
        top: the folder; what is elsewhere does not matter.
        files: path to the identity of a file, the same for all of its names.
        unsynced_data: identities of files with bytes that are in memory alone.
        unsynced_names: (folder, name) that are in memory alone.
        renamed: destinations in order, each with what was wrong at its moment.
    """

    top: str
    files: dict[str, int] = field(default_factory=dict)
    unsynced_data: set[int] = field(default_factory=set)
    unsynced_names: set[tuple[str, str]] = field(default_factory=set)
    renamed: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    _counter: int = 0

    def know(self, folder: Path) -> None:
        """Take what is there already as being on the disk."""
        for path in folder.rglob("*"):
            self._file(str(path))

    def missing_below(self, path: str, *, with_way: bool = True) -> tuple[str, ...]:
        """Return what of ``path``, of everything below it and, where wanted, of the way to it is not on the disk."""
        inside = path + "/"
        data = (
            p for p, file in self.files.items() if file in self.unsynced_data and (p == path or p.startswith(inside))
        )
        names = (
            os.path.join(folder, name)  # noqa: PTH118 - strace speaks in strings
            for folder, name in self.unsynced_names
            if folder == path or folder.startswith(inside) or (with_way and f"{path}/".startswith(f"{folder}/{name}/"))
        )
        return (*(f"bytes of {p}" for p in sorted(data)), *(f"name {p}" for p in sorted(names)))

    def write(self, path: str) -> None:
        self.unsynced_data.add(self._file(path))

    def make(self, path: str) -> None:
        if path not in self.files:
            self._file(path)
            self.unsynced_names.add(os.path.split(path))

    def link(self, source: str, path: str) -> None:
        self.files[path] = self._file(source)
        self.unsynced_names.add(os.path.split(path))

    def rename(self, source: str, path: str) -> None:
        # The name itself cannot be on the disk before the rename; what lies behind it must be.
        self.renamed.append((path, self.missing_below(source, with_way=False)))
        old = f"{source}/"
        for name in [p for p in self.files if p == source or p.startswith(old)]:
            self.files[path + name[len(source) :]] = self.files.pop(name)
        moved = {(folder, name) for folder, name in self.unsynced_names if (folder + "/").startswith(old)}
        self.unsynced_names -= moved
        self.unsynced_names |= {(path + folder[len(source) :], name) for folder, name in moved}
        self.unsynced_names.discard(os.path.split(source))
        self.unsynced_names.add(os.path.split(path))

    def remove(self, path: str) -> None:
        self.files.pop(path, None)
        self.unsynced_names.discard(os.path.split(path))

    def sync(self, call: str, path: str, before: tuple[set[int], set[tuple[str, str]]]) -> None:
        """Take what was unsynced when the call began as synced by it."""
        data, names = before
        if call in {"syncfs", "sync"}:
            self.unsynced_data -= data
            self.unsynced_names -= names
            return
        if path in self.files:
            self.unsynced_data -= data & {self.files[path]}
        self.unsynced_names -= {entry for entry in names if entry[0] == path}

    def _file(self, path: str) -> int:
        if path not in self.files:
            self._counter += 1
            self.files[path] = self._counter
        return self.files[path]


def replay(trace: Path, ledger: Ledger, *, stop_at: str = "") -> None:
    """Bring a ledger to where the process was at its end, or right before its first rename to ``stop_at``."""
    pending: dict[str, tuple[set[int], set[tuple[str, str]]]] = {}
    for pid, text in _calls(trace, ledger, pending):
        match = _CALL.match(text)
        if match is None or match["result"].startswith("-"):
            continue
        before = pending.pop(pid, None) or (set(ledger.unsynced_data), set(ledger.unsynced_names))
        name, arguments = match["name"], match["arguments"]
        paths = [os.path.join(m["folder"] or "/", m["path"]) for m in _PATH.finditer(arguments)]  # noqa: PTH118
        if name in _RENAMES and stop_at and paths[1] == stop_at:
            return
        _apply(ledger, name, arguments, paths, before=before)


def _apply(
    ledger: Ledger, name: str, arguments: str, paths: list[str], *, before: tuple[set[int], set[tuple[str, str]]]
) -> None:
    descriptor = _DESCRIPTOR.match(arguments)
    held = descriptor["path"] if descriptor else ""
    if name in _SYNCS:
        ledger.sync(name, held, before)
        return
    touched = paths[-1] if paths else held
    if not touched.startswith(ledger.top + "/"):
        return
    match name:
        case "open" | "openat":
            _open(ledger, touched, arguments)
        case "rename" | "renameat" | "renameat2":
            ledger.rename(paths[0], paths[1])
        case "link" | "linkat":
            ledger.link(paths[0], paths[1])
        case "symlink" | "symlinkat" | "mkdir" | "mkdirat":
            ledger.make(touched)
        case "unlink" | "unlinkat" | "rmdir":
            ledger.remove(touched)
        case _:
            ledger.write(held or touched)  # with a descriptor the text is what is written


def _open(ledger: Ledger, path: str, arguments: str) -> None:
    if "O_CREAT" in arguments:
        ledger.make(path)
    if "O_TRUNC" in arguments:
        ledger.write(path)


def _calls(
    trace: Path, ledger: Ledger, pending: dict[str, tuple[set[int], set[tuple[str, str]]]]
) -> Iterator[tuple[str, str]]:
    """Yield (process, whole call) in the order in which calls ended; a call that others interrupt is joined."""
    open_calls: dict[str, str] = {}
    for line in _lines(trace):
        match = _LINE.match(line)
        if match is None:
            continue
        pid, rest = match["pid"], match["rest"]
        if rest.endswith("<unfinished ...>"):
            open_calls[pid] = rest.removesuffix("<unfinished ...>")
            pending[pid] = (set(ledger.unsynced_data), set(ledger.unsynced_names))
        elif resumed := _RESUMED.match(rest):
            yield pid, open_calls.pop(pid, "") + resumed["rest"]
        else:
            pending.pop(pid, None)
            yield pid, rest


def _lines(trace: Path) -> Iterable[str]:
    with trace.open(encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            yield line.rstrip("\n")
