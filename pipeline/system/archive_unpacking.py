"""One archive into one fresh folder, in one pass: each entry is judged, then written; links are judged and made last.

The folder takes its place when the whole archive was found good, and is removed otherwise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.digest import tree_digest
from pipeline.model.tree import Tree
from pipeline.system.archive_members import Limits, ListJudge, Member, judge_links, refuse
from pipeline.system.archive_placing import FolderWriter, whole_folder
from pipeline.system.archive_reading import Selection, naming, read_archive, require_format

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


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


def unpack(request: UnpackRequest) -> Tree:
    """Unpack, judging each entry before it is written; return the files and links with the digests of what was written.

    Raises:
        IntegrityError: the archive is malformed, not the one that is wanted, or has a path, link or type that is
            refused; nothing is left.
        NoSpaceError: nothing is left.
    """
    with naming(request.archive):
        require_format(request.archive)  # before anything is made, and told as the archive's fault
        with whole_folder(request.destination) as folder:
            writer = FolderWriter(folder)
            _write(request, writer)
            entries = writer.finish()
    return Tree(sha256=tree_digest(entries), entries=tuple(sorted(entries, key=lambda entry: entry.path.encode())))


def _write(request: UnpackRequest, writer: FolderWriter) -> None:
    """Write every entry that is kept but links, which are noted: they are made when all of this was found good."""
    judge, selection = ListJudge(request.limits), Selection(strip_top=request.strip_top, subtree=request.subtree)
    digest = None if request.sha256 is None else hashlib.sha256()
    links: list[Member] = []
    for member, content in read_archive(request.archive, limits=request.limits, packed_digest=digest):
        judge.add(member)
        if request.files_bytes is not None and judge.files_bytes > request.files_bytes:
            raise refuse(f"unpacks to more than the {request.files_bytes} bytes that were signed")
        kept = selection.keep(member)
        if kept is None:
            continue
        if kept.kind == "link":
            links.append(kept)
        _place(kept, content, writer)
    if digest is not None and (found := digest.hexdigest()) != request.sha256:
        raise refuse(f"is not the file that was signed: its sha256 is {found}, expected {request.sha256}")
    judge.finish()
    if request.files_bytes not in {None, judge.files_bytes}:
        raise refuse(f"unpacks to {judge.files_bytes} bytes, and not to the {request.files_bytes} that were signed")
    selection.finish()
    judge_links(links)  # what leads out of a part may stay within the whole


def _place(member: Member, content: Iterable[bytes], writer: FolderWriter) -> None:
    match member:
        case Member(kind="folder", path=path):
            writer.add_folder(path)
        case Member(kind="link", path=path, link=target):
            writer.add_link(path, target or "")
        case Member(path=path, executable=executable):
            writer.add_file(path, content, executable=executable)
