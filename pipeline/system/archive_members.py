"""What an archive holds, as values, and the judgement on the whole list before anything is written.

Sources of the rules: shared refusals of CVE-2007-4559 and its successors (CPython's own data filter lets link chains
and re-entering paths through), and of what cannot stand on every platform that this project serves.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.errors import IntegrityError
from pipeline.model.frozen import require_relative
from pipeline.system.tree_links import link_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MemberKind = Literal["file", "folder", "link"]
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in "123456789¹²³")}
_MAX_SEGMENT_BYTES = 255  # NAME_MAX of ext4, APFS, NTFS
_MAX_PATH_BYTES = 1024  # PATH_MAX of macOS


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
        members: entries of any kind.
        total_bytes: sum of all files.
        ratio: unpacked to packed bytes, once more than ``ratio_from_bytes`` are unpacked. zlib reaches 1032 at most.
        ratio_from_bytes: smaller ones may shrink as they like.
    """

    members: int = 200_000
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
    judge_links(members)


def judge_links(members: Iterable[Member]) -> None:
    """Refuse links that lead out of the tree that ``members`` make.

    Raises:
        IntegrityError: one does.
    """
    links = {member.path: member.link or "" for member in members if member.kind == "link"}
    for path in links:
        if fault := link_fault(path, links):
            raise refuse(f"holds the link {path!r}, which {fault}")


def _path_fault(path: str) -> str | None:
    try:
        require_relative(path)
        size = len(path.encode())
    except UnicodeEncodeError:
        return "is no clean UTF-8"
    except ValueError as error:
        return str(error)
    if size > _MAX_PATH_BYTES:
        return f"is longer than {_MAX_PATH_BYTES} bytes"
    return next(filter(None, map(_segment_fault, path.split("/"))), None)


def _segment_fault(segment: str) -> str | None:
    if len(segment.encode()) > _MAX_SEGMENT_BYTES:
        return f"has a name of more than {_MAX_SEGMENT_BYTES} bytes"
    if segment[1:2] == ":":
        return "has a drive letter"
    if segment.endswith((".", " ")) or segment.split(".", 1)[0].rstrip().lower() in _RESERVED:
        return "has a name that Windows reserves"
    return None


def _claim_names(path: str, seen: dict[str, str], leaves: set[str]) -> None:
    """Note a path and its folders; ``seen`` maps what a case-blind file system sees to what is written."""
    folded = unicodedata.normalize("NFC", path).casefold()
    earlier = seen.setdefault(folded, path)
    if earlier != path:
        raise refuse(f"holds {earlier!r} and {path!r}, which are one file where case does not count")
    folder = path.rpartition("/")[0]
    if not folder:
        return
    if folder in leaves:
        raise refuse(f"holds {folder!r} as a file or link and as a folder")
    if seen.get(unicodedata.normalize("NFC", folder).casefold()) != folder:
        _claim_names(folder, seen, leaves)
