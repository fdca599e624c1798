"""Files on disk compared with what is listed of them: verified, changed, missing, unexpected."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline.deploy.hashing import hash_file
from pipeline.deploy.shapes import shape_fault, walk
from pipeline.model.verification import FileState, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.model.tree import TreeEntry


class FileComparison:
    """Counts and findings over any number of files; a file with several names is hashed once.

    Attributes:
        verified: how many names are as listed.
        bytes_read: how much was hashed.
        findings: every name that is not verified.
        notes: what could not be checked, in words.
    """

    def __init__(self) -> None:
        self.verified = 0
        self.bytes_read = 0
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self._known: dict[tuple[int, int], str] = {}

    def add(self, path: str, state: FileState, detail: str = "") -> None:
        """Take a finding that somebody else made."""
        self.findings.append(Finding(path=path, state=state, detail=detail))

    def know(self, folder: Path, entries: Iterable[TreeEntry]) -> None:
        """Take over the digests of files that were hashed a moment ago."""
        for entry in entries:
            if entry.sha256 is not None:
                self._known[_inode((folder / entry.path).lstat())] = entry.sha256

    def compare_tree(self, folder: Path, entries: Iterable[TreeEntry], *, name: str) -> bool:
        """Compare a folder with a list of its files; return whether it is exactly that.

        Args:
            folder: may be missing.
            entries: every file and link that it must hold, and nothing else.
            name: prefix of the paths in findings, without slash at the end.
        """
        before = len(self.findings)
        found = dict(walk(folder))
        prefix = f"{name}/" if name else ""
        for entry in entries:
            path = found.pop(entry.path, None)
            if path is None:
                self.add(prefix + entry.path, "missing")
            elif fault := self._fault(path, entry):
                self.add(prefix + entry.path, "changed", fault)
            else:
                self.verified += 1
        for path in sorted(found):
            self.add(prefix + path, "unexpected")
        return len(self.findings) == before

    def compare_file(self, path: Path, *, name: str, sha256: str, size_bytes: int | None) -> bool:
        """Compare one file with its digest, and its size where that is known; return whether it is as it should be."""
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            self.add(name, "missing")
            return False
        if not stat.S_ISREG(status.st_mode):
            self.add(name, "changed", "it is no plain file")
        elif size_bytes is not None and status.st_size != size_bytes:
            self.add(name, "changed", f"it has {status.st_size} bytes, not {size_bytes}")
        elif (found := self._digest(str(path), status)) != sha256:
            self.add(name, "changed", f"sha256 is {found}")
        else:
            self.verified += 1
            return True
        return False

    def _fault(self, path: str, entry: TreeEntry) -> str | None:
        if fault := shape_fault(path, entry):
            return fault
        if entry.sha256 is None or (found := self._digest(path, os.lstat(path))) == entry.sha256:
            return None
        return f"sha256 is {found}"

    def _digest(self, path: str, status: os.stat_result) -> str:
        key = _inode(status)
        if (known := self._known.get(key)) is not None:
            return known
        digest = hash_file(path)
        self.bytes_read += status.st_size
        self._known[key] = digest
        return digest


def _inode(status: os.stat_result) -> tuple[int, int]:
    return (status.st_dev, status.st_ino)
