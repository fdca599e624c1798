"""What an archive holds, as values, and the judgement on the whole list before anything is written.

Sources of the rules: shared refusals of CVE-2007-4559 and its successors (CPython's own data filter lets link chains
and re-entering paths through), and of what cannot stand on every platform that this project serves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.errors import IntegrityError
from pipeline.model.frozen import require_relative
from pipeline.system.portable_names import MAX_DEPTH, MAX_PATH_BYTES, folded, segment_fault
from pipeline.system.tree_links import link_faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MemberKind = Literal["file", "folder", "link"]
_MAX_LINKS = 20_000  # of one archive; 32 of a llama.cpp release, some thousand of the largest toolkits


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive.

    Attributes:
        path: as the archive has it, without a slash at its end; only ``judge`` says whether it is fit to use.
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


def judge(members: Sequence[Member], limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse the whole list if any entry is not what a tree may hold.

    Raises:
        IntegrityError: too many entries or bytes; a path that is not a clean relative one; two entries with one path,
            or with paths that differ in case or Unicode form only; a file or link in the place of a folder; a link
            that leads out of the tree.
    """
    if len(members) > limits.members:
        raise refuse(f"holds more than {limits.members} entries")
    if sum(member.size_bytes for member in members) > limits.total_bytes:
        raise refuse(f"unpacks to more than {limits.total_bytes} bytes")
    paths: set[str] = set()
    seen: dict[str, str] = {}
    leaves = {member.path for member in members if member.kind != "folder"}
    for member in members:
        if fault := _path_fault(member.path):
            raise refuse(f"holds {member.path!r}, which {fault}")
        if member.path in paths:
            raise refuse(f"holds {member.path!r} twice")
        paths.add(member.path)
        _claim_names(member.path, seen, leaves)
        if len(seen) > limits.members:
            raise refuse(f"holds more than {limits.members} files and folders")
    judge_links(members)


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


def _claim_names(path: str, seen: dict[str, str], leaves: set[str]) -> None:
    """Note a path and its folders; ``seen`` maps what a case-blind file system sees to what is written."""
    while True:
        earlier = seen.setdefault(folded(path), path)
        if earlier != path:
            raise refuse(f"holds {earlier!r} and {path!r}, which are one file where case does not count")
        path = path.rpartition("/")[0]
        if not path:
            return
        if path in leaves:
            raise refuse(f"holds {path!r} as a file or link and as a folder")
        if seen.get(folded(path)) == path:
            return
