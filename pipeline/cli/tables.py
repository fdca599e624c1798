"""Tables and figures as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.filesize import decimal as size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["markdown", "size_text", "table"]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """Return rows in columns below their headings; the columns named in ``right`` are set to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    to_right = [heading in right for heading in headings]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, to_right, strict=True)
        ).rstrip()
        for line in lines
    )


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table, for a CI job's summary."""
    cells = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in cells) + "\n"
