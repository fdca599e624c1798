"""Which old file a new one is made of: the same bytes, else the same path, else the same name but for its numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.tree import TreeEntry

_NUMBERS = re.compile(r"\d+")


class Source(NamedTuple):
    """An old file; ``is_same`` says that it has the very bytes of the new one."""

    entry: TreeEntry
    is_same: bool


def choose_sources(old: Iterable[TreeEntry], new: Iterable[TreeEntry]) -> dict[str, Source]:
    """Return path of a new file to the old file that it is made of; one that resembles none has no entry.

    ``lib/libggml.so.0.26.0`` resembles ``lib/libggml.so.0.25.1``. Among several in the same folder, or else elsewhere,
    the one of the nearest size is taken. The same lists give the same answer.
    """
    files = [entry for entry in old if entry.sha256 is not None]
    by_digest: dict[str | None, list[TreeEntry]] = {}
    by_path = {entry.path: entry for entry in files}
    by_shape: dict[str, list[TreeEntry]] = {}
    for entry in files:
        by_digest.setdefault(entry.sha256, []).append(entry)
        for shape in _shapes(entry.path):
            by_shape.setdefault(shape, []).append(entry)
    found: dict[str, Source] = {}
    for entry in new:
        if entry.sha256 is None:
            continue
        if same := by_digest.get(entry.sha256):
            found[entry.path] = Source(min(same, key=lambda one: (one.path != entry.path, one.path)), is_same=True)
        elif (before := by_path.get(entry.path)) is not None:
            found[entry.path] = Source(before, is_same=False)
        elif alike := next(filter(None, (by_shape.get(shape) for shape in _shapes(entry.path))), None):
            nearest = min(alike, key=lambda one: (abs(one.size_bytes - entry.size_bytes), one.path))
            found[entry.path] = Source(nearest, is_same=False)
    return found


def _shapes(path: str) -> tuple[str, str]:
    """Return a path, and its last name alone, without their numbers; no path is the shape of a name."""
    shape = _NUMBERS.sub("#", path)
    return f"/{shape}", shape.rpartition("/")[2]
