"""What is in an environment's prefix, as a list that it can be compared with ever after."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline.digest import canonical_json, tree_digest
from pipeline.errors import IntegrityError
from pipeline.model.frozen import require_relative
from pipeline.model.tree import Tree, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Digests = Callable[[Mapping[str, os.stat_result]], Mapping[str, str]]


def list_prefix(prefix: Path, *, digests: Digests) -> Tree:
    """Return every file and link of a prefix.

    Other than ``TreeReader.scan`` it takes links as they are: packages that were signed brought them, they are never
    followed to write, and of an environment over a host's Python one leads to that Python.

    Args:
        prefix: made a moment ago.
        digests: returns path to sha256 of many plain files, by path to status.

    Raises:
        IntegrityError: it holds something that is neither file, link nor folder, or a name that not every system has.
    """
    found = sorted(_walk(prefix), key=lambda item: item[0].encode())
    statuses = [(path, place, os.lstat(place)) for path, place in found]
    known = digests({place: status for _, place, status in statuses if stat.S_ISREG(status.st_mode)})
    entries = tuple(_entry(path, place, status, known.get(place)) for path, place, status in statuses)
    return Tree(sha256=tree_digest(entries), entries=entries)


def listed_text(tree: Tree) -> bytes:
    """Return the list as it is written: without indents, of tens of thousands of files, for nobody to read."""
    return canonical_json(tree.model_dump(mode="json")) + b"\n"


def _entry(path: str, place: str, status: os.stat_result, sha256: str | None) -> TreeEntry:
    if stat.S_ISLNK(status.st_mode):
        return TreeEntry(path=path, mode=0o777, size_bytes=0, sha256=None, link=os.readlink(place))  # noqa: PTH115 - as it is
    if sha256 is None:
        raise IntegrityError(f"{place} is neither a file, a link nor a folder", hint="tell the publisher of the bundle")
    mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    return TreeEntry(path=path, mode=mode, size_bytes=status.st_size, sha256=sha256)


def _walk(prefix: Path) -> Iterator[tuple[str, str]]:
    pending = [(os.fspath(prefix), "")]
    while pending:
        place, above = pending.pop()
        with os.scandir(place) as items:
            for item in items:
                path = above + _clean(item.name, place)
                if item.is_dir(follow_symlinks=False):
                    pending.append((item.path, path + "/"))
                else:
                    yield path, item.path


def _clean(name: str, place: str) -> str:
    try:
        name.encode()
        return require_relative(name)
    except (UnicodeEncodeError, ValueError) as error:
        raise IntegrityError(f"{place} holds a file with the name {name!r}, which is not portable") from error
