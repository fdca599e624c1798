"""Folders as values: every file and link with its digest."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES, tree_digest
from pipeline.errors import IntegrityError
from pipeline.model.frozen import require_relative
from pipeline.model.tree import Tree, TreeEntry
from pipeline.system.tree_links import link_faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINK_MODE = 0o777


class FileTreeReader:
    """Reads real folders; implements ``ports.TreeReader``."""

    def scan(self, folder: Path, *, exclude: tuple[str, ...] = ()) -> Tree:
        """Return every file and link of ``folder`` with digests; names in ``exclude`` are left out at its top.

        Links are not followed.

        A file's mode counts as 0755 when its owner may execute it, else as 0644. Empty folders do not count.

        Raises:
            IntegrityError: it holds something that is neither file, link nor folder, a name that is no clean UTF-8, or
                a link that leaves the tree.
        """
        entries = sorted((_entry(item, path) for item, path in walk(folder, exclude)), key=lambda e: e.path.encode())
        links = {entry.path: entry.link for entry in entries if entry.link is not None}
        for path, fault in link_faults(links):
            raise IntegrityError(f"{folder}: link {path} {fault}", hint="remove the link or make it relative")
        return Tree(sha256=tree_digest(entries), entries=tuple(entries))


def walk(folder: Path, exclude: tuple[str, ...] = ()) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield every file and link below ``folder`` with its relative POSIX path, in no order.

    Names in ``exclude`` are left out at the top.

    Raises:
        IntegrityError: as for ``scan``.
    """
    pending = [(os.fspath(folder), "")]
    while pending:
        place, prefix = pending.pop()
        with os.scandir(place) as items:
            for item in items:
                if not prefix and item.name in exclude:
                    continue
                path = prefix + _clean(item.name, place)
                if item.is_dir(follow_symlinks=False):
                    pending.append((item.path, path + "/"))
                elif item.is_symlink() or item.is_file(follow_symlinks=False):
                    yield item, path
                else:
                    raise IntegrityError(
                        f"{item.path} is neither a file, a link nor a folder", hint="a tree holds nothing else"
                    )


def _clean(name: str, place: str) -> str:
    try:
        name.encode()  # the file system's undecodable bytes come as surrogates, which have no UTF-8
        return require_relative(name)
    except (UnicodeEncodeError, ValueError) as error:
        raise IntegrityError(f"{place} holds a file with the name {name!r}, which is not portable") from error


def _entry(item: os.DirEntry[str], path: str) -> TreeEntry:
    if item.is_symlink():
        target = os.readlink(item.path)  # noqa: PTH115  # pathlib would tidy the target up
        return TreeEntry(path=path, mode=LINK_MODE, size_bytes=0, sha256=None, link=target)
    sha256, size, mode = _digest(item.path)
    return TreeEntry(path=path, mode=mode, size_bytes=size, sha256=sha256)


def _digest(path: str) -> tuple[str, int, int]:
    digest = hashlib.sha256()
    size = 0
    # O_NOFOLLOW: the entry was a file a moment ago and must still be one.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        executable = bool(os.fstat(descriptor).st_mode & stat.S_IXUSR)
    return digest.hexdigest(), size, 0o755 if executable else 0o644
