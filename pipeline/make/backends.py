"""Checks that a bundle has the backend its name promises: without it an engine silently runs on the processor."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline.errors import ProofError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def require_backend(root: Path, patterns: Collection[str], target: str) -> tuple[str, ...]:
    """Return the files of a bundle that ``patterns`` name, sorted, as paths within it.

    A pattern is a glob over file names, or over paths when it has a slash. Each must match a file; a link counts when
    it leads to one. Letters have no case where the target is a Windows one.

    Raises:
        ProofError: a pattern matches nothing; all such are named.
    """
    fold = str.lower if "windows-" in target else str
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    found: set[str] = set()
    absent = []
    for pattern in patterns:
        matching = {
            name
            for name in names
            if fnmatchcase(fold(name if "/" in pattern else name.rpartition("/")[2]), fold(pattern))
        }
        found |= matching
        if not matching:
            absent.append(pattern)
    if absent:
        raise ProofError(
            f"{target} has no {', '.join(absent)}: its accelerator would not be used",
            hint="the archive lacks its backend, or upstream renamed it; see the accelerator's recipe",
        )
    return tuple(sorted(found))
