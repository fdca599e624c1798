"""Files on disk as the system shows them without reading them: kind, size, mode, link target."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pipeline.digest import ListedFile


def shape_fault(path: str, entry: ListedFile) -> str | None:
    """Return what is wrong with a file's kind, size, mode or link target, without reading it; None when nothing is."""
    status = os.lstat(path)
    if entry.link is not None:
        if not stat.S_ISLNK(status.st_mode):
            return "it is no link"
        target = os.readlink(path)  # noqa: PTH115 - pathlib would tidy the target up
        return None if target == entry.link else f"it leads to {target!r}"
    if not stat.S_ISREG(status.st_mode):
        return "it is no plain file"
    if status.st_size != entry.size_bytes:
        return f"it has {status.st_size} bytes, not {entry.size_bytes}"
    if bool(status.st_mode & stat.S_IXUSR) != bool(entry.mode & stat.S_IXUSR):
        return f"its mode is {stat.S_IMODE(status.st_mode):04o}"
    return None


def looks_whole(folder: Path, entries: Iterable[ListedFile]) -> bool:
    """Tell whether every listed file is there with its size, mode and link target; contents are not read."""
    try:
        return all(shape_fault(os.path.join(folder, entry.path), entry) is None for entry in entries)  # noqa: PTH118
    except OSError:
        return False


def walk(folder: Path, *, unreadable: Callable[[str, OSError], None] | None = None) -> Iterator[tuple[str, str]]:
    """Yield (POSIX path below ``folder``, path) of everything but folders; links are not followed.

    A name that is no UTF-8 is shown with its bytes escaped. A folder that is not there holds nothing.

    Args:
        folder: where to begin.
        unreadable: told of the path of a folder that cannot be read, and why; without it that is an error.

    Raises:
        OSError: a folder cannot be read and nobody wants to be told.
    """
    top = os.fspath(folder)
    pending = [(top, "")] if os.path.isdir(top) and not os.path.islink(top) else []  # noqa: PTH112, PTH114 - no raising
    while pending:
        place, prefix = pending.pop()
        try:
            with os.scandir(place) as listing:
                items = list(listing)
        except OSError as error:
            if unreadable is None:
                raise
            unreadable(prefix.removesuffix("/"), error)
            continue
        for item in items:
            path = prefix + os.fsencode(item.name).decode(errors="backslashreplace")
            if item.is_dir(follow_symlinks=False):
                pending.append((item.path, path + "/"))
            else:
                yield path, item.path


def printable(path: str) -> str:
    """Return a path with its control characters, line ends and marks of direction escaped, so that it can be shown."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)
