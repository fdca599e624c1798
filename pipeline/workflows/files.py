"""Generated files against those that are there: what is stale, and where it begins to differ."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import PipelineError
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN_LINES = 20


class GeneratedFile(NamedTuple):
    """A file as it should be.

    Attributes:
        path: relative to the checkout, with slashes.
        content: UTF-8, lines end with a line feed; None for one that was made before and has no use any more.
    """

    path: str
    content: bytes | None


MARK = b"# Made by `python -m pipeline generate ci`"
"""How every generated file begins."""


class StaleWorkflowsError(PipelineError):
    """The workflows are not what would be made now."""


def stale_files(files: Sequence[GeneratedFile], found: Mapping[str, bytes | None]) -> tuple[GeneratedFile, ...]:
    """Return the files that are missing, differ, or should not be there any more.

    Args:
        files: as they should be.
        found: path to what is there, None where nothing is.
    """
    return tuple(file for file in files if _is_stale(file, found.get(file.path)))


def _is_stale(file: GeneratedFile, found: bytes | None) -> bool:
    if file.content is None:  # what somebody wrote under that name is theirs
        return found is not None and found.startswith(MARK)
    return found != file.content


def require_fresh(files: Sequence[GeneratedFile], found: Mapping[str, bytes | None]) -> None:
    """Refuse files that are not what would be made now.

    Raises:
        StaleWorkflowsError: some are not; the first difference is shown.
    """
    stale = stale_files(files, found)
    if not stale:
        return
    first = stale[0]
    names = ", ".join(file.path for file in stale)
    raise StaleWorkflowsError(
        f"{counted(len(stale), 'stale file')}: {names}\n{_difference(first, found.get(first.path))}",
        hint="run the same command without --check, and look at the diff",
    )


def _difference(file: GeneratedFile, found: bytes | None) -> str:
    """Return the first differing lines as a unified diff, from what is there to what it should be."""
    if found is None:
        return f"{file.path} is not there"
    if file.content is None:
        return f"{file.path} should not be there any more: nothing is fetched, and so nothing is pinned"
    lines = difflib.unified_diff(
        found.decode(errors="backslashreplace").splitlines(),
        file.content.decode().splitlines(),
        f"{file.path} (there)",
        f"{file.path} (generated)",
        lineterm="",
        n=1,
    )
    shown = list(lines)
    if not shown:
        return f"{file.path}: only its line ends differ"
    more = [f"... and {len(shown) - _SHOWN_LINES} more"] if len(shown) > _SHOWN_LINES else []
    return "\n".join((*shown[:_SHOWN_LINES], *more))
