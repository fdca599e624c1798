"""One archive into one fresh folder: the whole list is judged, then files are written.

A small archive is decompressed once and its files wait in memory for the judgement; a larger one is read twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.digest import tree_digest
from pipeline.model.tree import Tree
from pipeline.system.archive_members import Limits, Member, judge, judge_links, refuse
from pipeline.system.archive_placing import FolderWriter, whole_folder
from pipeline.system.archive_reading import naming, read_archive, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Two layers at a time must stay far below the 120 MB that an installation may take.
_WAITING_BYTES = 20 << 20
_MAX_LIST_CHARACTERS = 32 << 20  # paths and targets of a whole list: 300 for each of as many entries as may be


@dataclass(frozen=True, slots=True)
class UnpackRequest:
    """One archive and what is wanted of it.

    Attributes:
        archive: to read.
        destination: a folder that is empty or not there yet.
        limits: that the archive must keep.
        strip_top: leave out the single top folder.
        subtree: keep only the content of this folder.
        sha256: that the archive must have; None when it is not known.
        files_bytes: that all its files together must have; None when it is not known.
    """

    archive: Path
    destination: Path
    limits: Limits
    strip_top: bool = False
    subtree: str | None = None
    sha256: str | None = None
    files_bytes: int | None = None


@dataclass(slots=True)
class _Listed:
    """What the first reading found; ``waiting`` holds each member's bytes, None when they are too many."""

    members: list[Member] = field(default_factory=list)
    waiting: list[list[bytes]] | None = field(default_factory=list)


def unpack(request: UnpackRequest) -> Tree:
    """Unpack after judging the whole list; return the files and links with the digests of what was written.

    Raises:
        IntegrityError: the archive is malformed, not the one that is wanted, or has a path, link or type that is
            refused; nothing is left.
        NoSpaceError: nothing is left.
    """
    with naming(request.archive):
        listed = _read_list(request)
        judge(listed.members, request.limits)
        kept = select(listed.members, strip_top=request.strip_top, subtree=request.subtree)
        judge_links(member for member in kept if member is not None)
        with whole_folder(request.destination) as folder:
            writer = FolderWriter(folder)
            for member, content in zip(kept, _contents(request, listed), strict=True):
                if member is not None:
                    _place(member, content, writer)
            entries = writer.finish()
    return Tree(sha256=tree_digest(entries), entries=tuple(sorted(entries, key=lambda entry: entry.path.encode())))


def _read_list(request: UnpackRequest) -> _Listed:
    listed = _Listed()
    left, characters = _WAITING_BYTES, _MAX_LIST_CHARACTERS
    digest = None if request.sha256 is None else hashlib.sha256()
    for member, content in read_archive(request.archive, limits=request.limits, packed_digest=digest):
        listed.members.append(member)
        characters -= len(member.path) + len(member.link or "")
        if characters < 0:
            raise refuse(f"has a list of more than {_MAX_LIST_CHARACTERS} characters")
        left -= member.size_bytes
        if left < 0:
            listed.waiting = None
        if listed.waiting is not None:
            listed.waiting.append(list(content))
    if digest is not None and (found := digest.hexdigest()) != request.sha256:
        raise refuse(f"is not the file that was signed: its sha256 is {found}, expected {request.sha256}")
    total = sum(member.size_bytes for member in listed.members)
    if request.files_bytes not in {None, total}:
        raise refuse(f"unpacks to {total} bytes, and not to the {request.files_bytes} that were signed")
    return listed


def _contents(request: UnpackRequest, listed: _Listed) -> Iterator[Iterable[bytes]]:
    """Yield the bytes of each listed member, from memory or by reading the archive again."""
    if listed.waiting is not None:
        for position, pieces in enumerate(listed.waiting):
            yield pieces
            listed.waiting[position] = []
        return
    count = 0
    for member, content in read_archive(request.archive, limits=request.limits):
        if count >= len(listed.members) or member != listed.members[count]:
            raise refuse("changed while it was unpacked")
        yield content
        count += 1
    if count != len(listed.members):
        raise refuse("changed while it was unpacked")


def _place(member: Member, content: Iterable[bytes], writer: FolderWriter) -> None:
    match member:
        case Member(kind="folder", path=path):
            writer.add_folder(path)
        case Member(kind="link", path=path, link=target):
            writer.add_link(path, target or "")
        case Member(path=path, executable=executable):
            writer.add_file(path, content, executable=executable)
