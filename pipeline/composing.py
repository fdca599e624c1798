"""Layers laid over each other, as values: one list of files, or a refusal."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pipeline.digest import tree_digest
from pipeline.errors import IntegrityError
from pipeline.model.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.tree import TreeEntry


_MAX_LINKS = 16


def compose(layers: Iterable[tuple[str, Tree]]) -> tuple[Tree, dict[str, str]]:
    """Return the tree of all layers together, and for each path the digest of the layer it comes from.

    A path may stand in two layers when it is the very same file. No path may be below a file or a link of any layer:
    writing it would go through that link, out of the tree. Nor may two paths differ by case alone.

    Args:
        layers: (tree digest, tree) in the order in which they are laid.

    Raises:
        IntegrityError: two layers contradict each other.
    """
    entries: dict[str, TreeEntry] = {}
    origin: dict[str, str] = {}
    for sha256, tree in layers:
        for entry in tree.entries:
            if entries.setdefault(entry.path, entry) != entry:
                raise IntegrityError(f"two layers have different files at {entry.path}", hint="tell the publisher")
            origin.setdefault(entry.path, sha256)
    _check_folders(entries)
    _check_case(entries)
    ordered = tuple(sorted(entries.values(), key=lambda entry: entry.path.encode()))
    return Tree(sha256=tree_digest(ordered), entries=ordered), origin


def folders_of(entries: Iterable[TreeEntry]) -> tuple[str, ...]:
    """Return every folder that the entries imply, parents first."""
    found: set[str] = set()
    for entry in entries:
        folder = entry.path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return tuple(sorted(found))


def program_fault(tree: Tree, path: str, *, may_lead_out: bool = False) -> str | None:
    """Return why ``path`` is no program of the tree, None when it is one; links are followed within the tree.

    With ``may_lead_out`` an absolute link counts as a program.
    """
    entries = {entry.path: entry for entry in tree.entries}
    for _ in range(_MAX_LINKS):
        entry = entries.get(path)
        if entry is None:
            return "it is not there"
        if entry.link is None:
            return None if entry.mode & 0o100 else "it is not executable"
        if may_lead_out and entry.link.startswith("/"):
            return None
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.link))
    return "it is a loop of links"


def _check_folders(entries: dict[str, TreeEntry]) -> None:
    for folder in folders_of(entries.values()):
        if folder in entries:
            raise IntegrityError(f"{folder} is a file in one layer and a folder in another", hint="tell the publisher")


def _check_case(entries: dict[str, TreeEntry]) -> None:
    seen: dict[str, str] = {}
    for path in (*entries, *folders_of(entries.values())):
        if (other := seen.setdefault(path.casefold(), path)) != path:
            raise IntegrityError(
                f"{other} and {path} differ by case alone", hint="some file systems hold only one of them"
            )
