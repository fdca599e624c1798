"""Files on disk compared with what is listed of them: verified, changed, missing, unexpected.

Whatever is wrong with one file, also that it cannot be read or goes while it is read, is a finding and no failure.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pipeline.deploy.hashing import NotWhatItWasError, hash_each, hash_file
from pipeline.deploy.shapes import printable, shape_fault, walk
from pipeline.deploy.tallying import Meter, Tally
from pipeline.model.verification import FileState, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.model.tree import TreeEntry

_NOT_THE_FILES_FAULT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_GONE = (FileNotFoundError, NotADirectoryError)
_Inode = tuple[int, int, int, int]


class ListedTree(NamedTuple):
    """A folder and every file and link that it must hold; ``name`` is the prefix of their paths in findings."""

    folder: Path
    entries: Sequence[TreeEntry]
    name: str


class ListedFile(NamedTuple):
    """A file and the digest it must have; ``name`` stands for it in findings, a size of None is not compared."""

    path: Path
    name: str
    sha256: str
    size_bytes: int | None


class FileComparison:
    """Counts and findings over any number of files; a file with several names is hashed once.

    Attributes:
        verified: how many names are as listed.
        bytes_read: how much was hashed.
        findings: every name that is not verified.
        tally: files and bytes by state and by folder.
        notes: what could not be checked, in words.
        revoked: builds that are held and were withdrawn by their publisher, in words.
    """

    def __init__(self, *, jobs: int = 1, progress: Callable[[int, int], None] | None = None) -> None:
        """Begin with nothing.

        Args:
            jobs: how many files ``read_ahead`` reads at a time.
            progress: told how many bytes it has read and how many there are, from any thread.
        """
        self.verified = 0
        self.bytes_read = 0
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.revoked: list[str] = []
        self.tally = Tally()
        self._jobs = jobs
        self._progress = progress
        self._known: dict[_Inode, str | OSError] = {}

    def add(self, path: str, state: FileState, detail: str = "", *, size_bytes: int = 0) -> None:
        """Take a finding that somebody else made; the size is the listed one, for a file that nobody listed its own."""
        shown = printable(path)
        self.findings.append(Finding(path=shown, state=state, detail=detail))
        self.tally.add(shown, state, size_bytes)

    def add_verified(self, path: str, size_bytes: int = 0) -> None:
        """Count a file that somebody else found to be as it should be."""
        self.verified += 1
        self.tally.add(path, "verified", size_bytes)

    def add_unexpected(self, path: str, place: str) -> None:
        """Take a file that nobody listed."""
        try:
            status = os.lstat(place)
        except OSError as error:
            self.add(path, "unexpected", _trouble(error))
            return
        self.add(path, "unexpected", "" if _is_plain(status) else "it is no plain file", size_bytes=status.st_size)

    def add_unreadable(self, path: str, error: OSError) -> None:
        """Take a folder or a file that cannot be looked at.

        Raises:
            OSError: the error, when it says nothing of that place.
        """
        if error.errno in _NOT_THE_FILES_FAULT:
            raise error
        self.add(path, "changed", _trouble(error))

    def know(self, folder: Path, entries: Iterable[TreeEntry]) -> None:
        """Take over the digests of files that were hashed a moment ago."""
        for entry in entries:
            if entry.sha256 is not None:
                self._known[_inode(os.lstat(f"{folder}/{entry.path}"))] = entry.sha256

    def walk(self, folder: Path, *, name: str = "") -> Iterator[tuple[str, str]]:
        """Yield (POSIX path below ``folder``, place) of everything but folders; one that cannot be read is a finding.

        Args:
            folder: may be missing.
            name: prefix of the paths in findings, without slash at the end.
        """
        return walk(folder, unreadable=lambda path, error: self.add_unreadable(_joined(name, path), error))

    def read_ahead(self, places: Iterable[tuple[str, int | None]]) -> None:
        """Hash files that are going to be compared, several at a time; what is wrong with one is said when it is.

        Args:
            places: and the size each must have, None for any; another size is found without reading.
        """
        sizes: dict[str, int] = {}
        inodes: dict[_Inode, str] = {}
        for place, wanted in places:
            try:
                status = os.lstat(place)
            except OSError:
                continue
            inode = _inode(status)
            is_new = inode not in inodes and inode not in self._known
            if is_new and _is_plain(status) and wanted in {None, status.st_size}:
                sizes[place], inodes[inode] = status.st_size, place
        meter = Meter(sum(sizes.values()), self._progress)
        try:
            found = hash_each(sizes, jobs=self._jobs, on_read=meter.add)
        finally:
            self.bytes_read += meter.done
        self._known.update((inode, found[place]) for inode, place in inodes.items())

    def digests(self, files: Mapping[str, os.stat_result]) -> dict[str, str]:
        """Return path to sha256 of plain files, by path to status; what was read under any name is not read again.

        Raises:
            OSError: one of them cannot be read.
        """
        inodes = {place: _inode(status) for place, status in files.items()}
        self.read_ahead((place, None) for place, inode in inodes.items() if inode not in self._known)
        found = {}
        for place, inode in inodes.items():
            digest = self._known[inode]
            if isinstance(digest, OSError):
                raise digest
            found[place] = digest
        return found

    def compare_trees(self, trees: Iterable[ListedTree]) -> None:
        """Compare folders with the lists of their files, reading all of them ahead."""
        listed = tuple(trees)
        self.read_ahead(place for tree in listed for place in _places(tree.folder, tree.entries))
        for tree in listed:
            self.compare_tree(tree.folder, tree.entries, name=tree.name)

    def compare_ahead(self, folder: Path, entries: Sequence[TreeEntry], *, name: str) -> bool:
        """Compare as ``compare_tree``, reading all files ahead."""
        self.read_ahead(_places(folder, entries))
        return self.compare_tree(folder, entries, name=name)

    def compare_tree(self, folder: Path, entries: Iterable[TreeEntry], *, name: str) -> bool:
        """Compare a folder with a list of its files; return whether it is exactly that.

        Args:
            folder: may be missing.
            entries: every file and link that it must hold, and nothing else.
            name: prefix of the paths in findings, without slash at the end.
        """
        before = len(self.findings)
        found = dict(self.walk(folder, name=name))
        for entry in entries:
            place = found.pop(entry.path, None)
            look = partial(_lookup, folder / entry.path) if place is None else partial(self._fault, place, entry)
            self._take(_joined(name, entry.path), entry.size_bytes, look)
        for path in sorted(found):
            self.add_unexpected(_joined(name, path), found[path])
        return len(self.findings) == before

    def compare_files(self, files: Iterable[ListedFile]) -> None:
        """Compare single files with their digests, reading all of them ahead."""
        listed = tuple(files)
        self.read_ahead((str(file.path), file.size_bytes) for file in listed)
        for file in listed:
            self.compare_file(file.path, name=file.name, sha256=file.sha256, size_bytes=file.size_bytes)

    def compare_file(self, path: Path, *, name: str, sha256: str, size_bytes: int | None) -> bool:
        """Compare one file with its digest, and its size where that is known; return whether it is as it should be."""

        def look() -> str | None:
            status = path.lstat()
            if not _is_plain(status):
                return "it is no plain file"
            if size_bytes is not None and status.st_size != size_bytes:
                return f"it has {status.st_size} bytes, not {size_bytes}"
            return self._digest_fault(str(path), status, sha256)

        return self._take(name, size_of(path) if size_bytes is None else size_bytes, look)

    def _take(self, name: str, size_bytes: int, look: Callable[[], str | None]) -> bool:
        """Count a file by what looking at it says: what is wrong, that it is gone, or that it cannot be read."""
        try:
            fault = look()
        except _GONE:
            self.add(name, "missing", size_bytes=size_bytes)
            return False
        except OSError as error:
            if error.errno in _NOT_THE_FILES_FAULT:
                raise
            fault = _trouble(error)
        if fault is None:
            self.add_verified(name, size_bytes)
        else:
            self.add(name, "changed", fault, size_bytes=size_bytes)
        return fault is None

    def _fault(self, path: str, entry: TreeEntry) -> str | None:
        fault = shape_fault(path, entry)
        return fault if fault or entry.sha256 is None else self._digest_fault(path, os.lstat(path), entry.sha256)

    def _digest_fault(self, path: str, status: os.stat_result, sha256: str) -> str | None:
        inode = _inode(status)
        if inode not in self._known:
            self._known[inode] = hash_file(path)
            self.bytes_read += status.st_size
        found = self._known[inode]
        if isinstance(found, OSError):
            raise found
        return None if found == sha256 else f"sha256 is {found}"


def _places(folder: Path, entries: Iterable[TreeEntry]) -> Iterator[tuple[str, int]]:
    """Yield path and size of each listed file."""
    for entry in entries:
        if entry.sha256 is not None:
            yield os.path.join(folder, entry.path), entry.size_bytes  # noqa: PTH118 - as ``walk`` spells it


def _lookup(path: Path) -> None:
    """Say why a file is not where ``walk`` looked: it is not there, unless its folder cannot be read."""
    path.lstat()
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))  # a link leads there, or it is a folder


def _is_plain(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode)


def size_of(path: Path) -> int:
    """Return a file's size, 0 where that cannot be seen."""
    with suppress(OSError):
        return path.lstat().st_size
    return 0


def _inode(status: os.stat_result) -> _Inode:
    """Return what names with the same bytes share; a number is given anew when a file is gone, its times are not."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _joined(prefix: str, path: str) -> str:
    return f"{prefix}/{path}" if prefix else path


def _trouble(error: OSError) -> str:
    if isinstance(error, NotWhatItWasError):
        return str(error)
    return f"it cannot be read: {error.strerror or error}"
