"""A picture with its title, its legend and what it shows in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.measure.pictures import rows_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from pipeline.measure.pictures import Row, Unit

HALF, WHOLE = 400, 880
"""Widths: of pictures two of which fit beside each other, and of those that need the whole page."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture.

    Attributes:
        name: unique in a page, fit for an element's id.
        title: above it.
        description: what it shows, in a sentence.
        legend: name to colour, of what is in it.
        picture: specification.
        narrow: for a phone; None where ``picture`` is narrow enough.
    """

    name: str
    title: str
    description: str
    legend: Mapping[str, str]
    picture: Mapping[str, JsonValue]
    narrow: Mapping[str, JsonValue] | None = None


def bars(
    name: str,
    title: str,
    description: str,
    *,
    rows: Sequence[Row],
    colours: Mapping[str, str],
    unit: Unit = "bytes",
    is_wide: bool = False,
) -> Figure:
    """Return a picture of bars; its legend has what is in it.

    Args:
        name: as of a figure, like the next two.
        title: above it.
        description: in a sentence.
        rows: from top to bottom; at least one.
        colours: name of a part to its colour, in the legend's order.
        unit: of the axis.
        is_wide: whether it has a wide form and a narrow one.
    """
    used = {part.name for row in rows for part in row.parts}
    legend = {key: colour for key, colour in colours.items() if key in used}
    narrow = rows_picture(rows, legend, unit=unit, width=HALF)
    if not is_wide:
        return Figure(name, title, description, legend, narrow)
    return Figure(name, title, description, legend, rows_picture(rows, legend, unit=unit, width=WHOLE), narrow)
