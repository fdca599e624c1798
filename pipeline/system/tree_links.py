"""Symbolic links as values: where one leads, decided from the list of a tree's links and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_LINKS = 40  # as Linux: path_resolution(7)


def link_fault(path: str, links: Mapping[str, str]) -> str | None:
    """Return why the link at ``path`` is refused, None when it stays inside the tree.

    A link may be dangling; every step of following it must stay below the root, through other links too, so that
    neither an exit and re-entry nor a chain of links leaves the tree (CPython's data filter misses both).

    Args:
        path: of the link, POSIX, relative, without dot segments.
        links: every link of the tree with its target; ``path`` is among them.
    """
    target = links[path]
    if not target:
        return "has no target"
    if target.startswith("/") or "\\" in target or target[1:2] == ":":
        return f"leads to {target!r}, which is not a relative POSIX path"
    if any(ord(c) < 0x20 or ord(c) == 0x7F or 0xD800 <= ord(c) < 0xE000 for c in target):
        return "has a control character, or bytes that are no UTF-8, in its target"
    return _walk(path.split("/")[:-1], target.split("/"), links)


def _walk(folder: list[str], todo: list[str], links: Mapping[str, str]) -> str | None:
    """Follow ``todo`` from ``folder``, a path without links in it."""
    here = list(folder)
    stack = todo[::-1]  # the next segment is last
    followed = 0
    while stack:
        segment = stack.pop()
        if segment in {"", "."}:
            continue
        if segment == "..":
            if not here:
                return "leads out of the tree"
            here.pop()
            continue
        target = links.get("/".join([*here, segment]))
        if target is None:
            here.append(segment)
            continue
        followed += 1
        if followed > _MAX_LINKS:
            return "is part of a loop or of too long a chain of links"
        if target.startswith("/"):
            return "leads through an absolute link"
        stack.extend(target.split("/")[::-1])
    return None
