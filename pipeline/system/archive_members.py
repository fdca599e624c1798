"""What an archive holds, as values, and the judgement on each entry before anything of it is written.

Sources of the rules: shared refusals of CVE-2007-4559 and its successors (CPython's own data filter lets link chains
and re-entering paths through), and of what cannot stand on every platform that this project serves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pipeline.errors import IntegrityError
from pipeline.model.frozen import require_relative
from pipeline.system.portable_names import MAX_DEPTH, MAX_PATH_BYTES, folded, segment_fault
from pipeline.system.tree_links import link_faults

if TYPE_CHECKING:
    from collections.abc import Iterable

MemberKind = Literal["file", "folder", "link"]
_MAX_LIST_CHARACTERS = 32 << 20  # paths and targets of a whole list: 300 for each of as many entries as may be
_HEADERS_BYTES = 64 << 20  # that the headers of small files may take beside an eighth of the files' own bytes
_MAX_LINKS = 20_000  # of one archive; 32 of a llama.cpp release, some thousand of the largest toolkits


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive.

    Attributes:
        path: as the archive has it, without a slash at its end; only ``ListJudge`` says whether it is fit to use.
        kind: file, folder or symbolic link; any other type never gets this far.
        size_bytes: of the file, 0 otherwise.
        executable: whether the owner may execute the file.
        link: target of a symbolic link.
    """

    path: str
    kind: MemberKind
    size_bytes: int = 0
    executable: bool = False
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an archive may unpack.

    Attributes:
        members: entries of any kind, and folders that they imply.
        total_bytes: sum of all files.
        ratio: unpacked to packed bytes, once more than ``ratio_from_bytes`` are unpacked. zlib reaches 1032 at most.
        ratio_from_bytes: smaller ones may shrink as they like.
    """

    members: int = 100_000
    total_bytes: int = 64 << 30
    ratio: int = 1000
    ratio_from_bytes: int = 100 << 20


DEFAULT_LIMITS = Limits()


def signed_limits(files_bytes: int, limits: Limits = DEFAULT_LIMITS) -> Limits:
    """Return limits for an archive of which it is known how many bytes all its files have: no more comes out of it."""
    most = files_bytes + files_bytes // 8 + _HEADERS_BYTES
    return replace(limits, total_bytes=min(limits.total_bytes, most))


def refuse(fault: str) -> IntegrityError:
    """Return the error for a malformed or dangerous archive; the caller's message names the archive."""
    return IntegrityError(fault, hint="nothing was unpacked; get the archive again from where it is published")


def judge_size(*, total_bytes: int, packed_bytes: int, limits: Limits) -> None:
    """Refuse more bytes than ``limits`` allows; cheap enough to be asked while reading.

    Raises:
        IntegrityError: there are too many, altogether or for the archive's size.
    """
    if total_bytes > limits.total_bytes:
        raise refuse(f"unpacks to more than {limits.total_bytes} bytes")
    if total_bytes > limits.ratio_from_bytes and total_bytes > packed_bytes * limits.ratio:
        raise refuse(f"unpacks to more than {limits.ratio} times its size")


class ListJudge:
    """Judges an archive's entries as they come, each before anything of it is written; links last, in ``finish``.

    Attributes:
        files_bytes: of all files that came.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        """Judge within ``limits``."""
        self._limits = limits
        self._members = 0
        self.files_bytes = 0
        self._characters = 0
        self._paths: set[str] = set()
        self._leaves: set[str] = set()
        self._folders: set[str] = set()
        self._seen: dict[str, str] = {}  # what a case-blind file system sees, to what is written
        self._links: list[Member] = []

    def add(self, member: Member) -> None:
        """Take the next entry of the list.

        Raises:
            IntegrityError: it is one too many, or too large; its path is not a clean relative one, is there already,
                differs from another in case or Unicode form only, or is that of a file or link and of a folder.
        """
        self._count(member)
        path, parent = member.path, member.path.rpartition("/")[0]
        if fault := _name_fault(path) if parent in self._folders else _path_fault(path):
            raise refuse(f"holds {path!r}, which {fault}")
        if path in self._paths:
            raise refuse(f"holds {path!r} twice")
        self._paths.add(path)
        self._claim(path)
        if member.kind == "folder":
            self._folders.add(path)
        elif path in self._folders:
            raise refuse(f"holds {path!r} as a file or link and as a folder")
        else:
            self._leaves.add(path)
        self._claim_folders(parent)
        if member.kind == "link":
            self._links.append(member)
        if len(self._seen) > self._limits.members:
            raise refuse(f"holds more than {self._limits.members} files and folders")

    def finish(self) -> None:
        """Judge the links among all that came.

        Raises:
            IntegrityError: there are too many, or one leads out of the tree.
        """
        judge_links(self._links)

    def _count(self, member: Member) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise refuse(f"holds more than {self._limits.members} entries")
        self.files_bytes += member.size_bytes
        if self.files_bytes > self._limits.total_bytes:
            raise refuse(f"unpacks to more than {self._limits.total_bytes} bytes")
        self._characters += len(member.path) + len(member.link or "")
        if self._characters > _MAX_LIST_CHARACTERS:
            raise refuse(f"has a list of more than {_MAX_LIST_CHARACTERS} characters")

    def _claim_folders(self, path: str) -> None:
        while path and path not in self._folders:
            self._claim(path)
            if path in self._leaves:
                raise refuse(f"holds {path!r} as a file or link and as a folder")
            self._folders.add(path)
            path = path.rpartition("/")[0]

    def _claim(self, path: str) -> None:
        earlier = self._seen.setdefault(folded(path), path)
        if earlier != path:
            raise refuse(f"holds {earlier!r} and {path!r}, which are one file where case does not count")


def judge_links(members: Iterable[Member]) -> None:
    """Refuse links that lead out of the tree that ``members`` make.

    Raises:
        IntegrityError: one does.
    """
    links = {member.path: member.link or "" for member in members if member.kind == "link"}
    if len(links) > _MAX_LINKS:
        raise refuse(f"holds more than {_MAX_LINKS} links")
    for path, fault in link_faults(links):
        raise refuse(f"holds the link {path!r}, which {fault}")


def require_short(text: str) -> str:
    """Return a path or a link's target if it is no longer than any may be, so that no long ones pile up in memory.

    Raises:
        IntegrityError: it is longer.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_PATH_BYTES:
        raise refuse(f"holds {text[:40]!r}..., which is longer than {MAX_PATH_BYTES} bytes")
    return text


def _path_fault(path: str) -> str | None:
    try:
        require_relative(path)
        size = len(path.encode())
    except UnicodeEncodeError:
        return "is no clean UTF-8"
    except ValueError as error:
        return str(error)
    if size > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    segments = path.split("/")
    if len(segments) > MAX_DEPTH:
        return f"is more than {MAX_DEPTH} folders deep"
    return next(filter(None, map(segment_fault, segments)), None)


def _name_fault(path: str) -> str | None:
    """As ``_path_fault`` for a path in a folder that was found fit: only what its last name adds can be wrong."""
    name = path.rpartition("/")[2]
    is_plain = name.isascii() and name not in {"", ".", ".."} and "\\" not in name
    if is_plain and len(path.encode()) <= MAX_PATH_BYTES and path.count("/") < MAX_DEPTH:
        return segment_fault(name)
    return _path_fault(path)
