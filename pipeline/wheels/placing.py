"""Under which names the files of a tree lie in a wheel, which can hold no links. Pure but for reading the binaries."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pipeline.model.binary import BinaryCard
    from pipeline.model.tree import Tree, TreeEntry

_MAX_LINKS = 16


def installed_names(tree: Tree, cards: Mapping[str, BinaryCard], *, programs: Collection[str]) -> dict[str, str]:
    """Return the path of each file in the wheel, and the path in the tree of the file whose bytes it has.

    A file without links keeps its path. A shared library with links lies under those of its names that something asks
    a loader for: its own SONAME, or what another binary of the tree needs; names for linkers alone are left out.
    Anything else lies under each of its names.

    Args:
        tree: all layers together.
        cards: path to what a binary says of itself, for every file that is one.
        programs: paths that are called as programs; they are kept whatever they are.

    Raises:
        UsageError: a link leads to no file of the tree.
    """
    entries = {entry.path: entry for entry in tree.entries}
    names: dict[str, list[str]] = {entry.path: [entry.path] for entry in tree.entries if entry.link is None}
    for entry in tree.entries:
        if entry.link is not None:
            names[_end_of(entry, entries)].append(entry.path)
    asked = {posixpath.basename(name) for card in cards.values() for name in (*card.needed, *card.optional)}
    installed: dict[str, str] = {}
    for path, all_names in names.items():
        for name in _kept(path, all_names, cards.get(path), asked=asked, programs=programs):
            installed[name] = path
    return dict(sorted(installed.items()))


def _kept(
    path: str, names: list[str], card: BinaryCard | None, *, asked: Collection[str], programs: Collection[str]
) -> list[str]:
    if len(names) == 1 or card is None or card.is_executable:
        return names
    own = posixpath.basename(card.soname) if card.soname else ""
    wanted = [
        name
        for name in names
        if name in programs or posixpath.basename(name) in asked or posixpath.basename(name) == own
    ]
    return wanted or [path]


def _end_of(entry: TreeEntry, entries: Mapping[str, TreeEntry]) -> str:
    """Return the path of the file that a link leads to, over other links."""
    found = entry
    for _ in range(_MAX_LINKS):
        if found.link is None:
            return found.path
        target = posixpath.normpath(posixpath.join(posixpath.dirname(found.path), found.link))
        following = entries.get(target)
        if following is None:
            break
        found = following
    raise UsageError(
        f"{entry.path} is a link to {entry.link}, which is no file of the bundle: a wheel cannot have it",
        hint="a wheel holds files alone; install this bundle with `install`",
    )
