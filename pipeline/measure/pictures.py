"""Pictures as Vega-Lite specifications: rows of bars, and lines over releases. Pure.

Colours are the CSS variables of the page, so that a picture is right in light and dark; a bar's label stands above it,
so that long names fit on a phone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

Unit = Literal["bytes", "seconds"]
INK, QUIET, GRID = "var(--ink)", "var(--quiet)", "var(--grid)"
_ROW_HEIGHT, _BAR_HEIGHT = 40, 14
_LABEL_ABOVE = -12
_CHARACTER_WIDTH = 6.6  # of text of 12 px, as fonts of browsers have it on average
_LABELS: Mapping[Unit, str] = {
    "bytes": "datum.value == 0 ? '0' : replace(format(datum.value, '~s'), /([kMGT]?)$/, ' $1B')",
    "seconds": "datum.value >= 120 ? format(datum.value / 60, '~f') + ' min' : datum.value + ' s'",
}
_MINUTES_FROM = 120  # seconds, as in the label
_ROUND_SECONDS = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a row's bar.

    Attributes:
        name: what it is a piece of; the legend has it.
        start: where it begins.
        end: where it ends.
    """

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Row:
    """One bar with its label.

    Attributes:
        label: above it, on the left.
        figure: above it, on the right.
        parts: from left to right.
    """

    label: str
    figure: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of figures over releases.

    Attributes:
        name: what it shows.
        values: one for each release.
    """

    name: str
    values: tuple[int, ...]


def stacked(label: str, figure: str, sizes: Sequence[tuple[str, float]]) -> Row:
    """Return a row whose parts follow each other, each as long as its size."""
    parts, at = [], 0.0
    for name, size in sizes:
        if size:
            parts.append(Part(name, at, at + size))
            at += size
    return Row(label, figure, tuple(parts))


def rows_picture(rows: Sequence[Row], colours: Mapping[str, str], *, unit: Unit, width: int) -> dict[str, JsonValue]:
    """Return a picture of bars below each other.

    Args:
        rows: from top to bottom.
        colours: name of a part to its colour.
        unit: of the axis.
        width: of the picture, in pixels.
    """
    bars: list[JsonValue] = [
        {"row": number, "name": part.name, "start": part.start, "end": part.end}
        for number, row in enumerate(rows)
        for part in row.parts
    ]
    texts: list[JsonValue] = [
        {"row": number, "label": _fitting(row, width), "figure": row.figure} for number, row in enumerate(rows)
    ]
    y: JsonValue = {"field": "row", "type": "ordinal", "axis": None, "scale": {"domain": list(range(len(rows)))}}
    x: dict[str, JsonValue] = {
        "field": "start",
        "type": "quantitative",
        "title": None,
        "scale": {"domainMin": 0, "nice": False, "padding": 1},
        "axis": {"labelExpr": _LABELS[unit], **_ticks(unit, rows, max(width // 110, 3)), "labelFlush": True},
    }
    names = list(colours)
    colour: JsonValue = {
        "field": "name",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": list(names), "range": [colours[name] for name in names]},
    }
    bar: JsonValue = {
        "data": {"values": bars},
        "mark": {"type": "bar", "height": _BAR_HEIGHT, "minBandSize": 1, "cornerRadius": 1},
        "encoding": {"y": y, "x": x, "x2": {"field": "end"}, "color": colour},
    }
    label: JsonValue = _text(texts, y, field="label", x=0, align="left", colour=INK)
    figure: JsonValue = _text(texts, y, field="figure", x=width, align="right", colour=QUIET)
    height: JsonValue = {"step": _ROW_HEIGHT}
    return _picture({"width": width, "height": height, "layer": [bar, label, figure]})


def lines_picture(
    releases: Sequence[str], lines: Sequence[Line], colours: Mapping[str, str], *, width: int
) -> dict[str, JsonValue]:
    """Return a picture of sizes over releases, from nought.

    Args:
        releases: the oldest first.
        lines: each with one value a release.
        colours: name of a line to its colour.
        width: of the picture, in pixels.
    """
    values: list[JsonValue] = [
        {"release": release, "size": size, "name": line.name}
        for line in lines
        for release, size in zip(releases, line.values, strict=True)
    ]
    names = list(colours)
    return _picture(
        {
            "width": width,
            "height": 150,
            "data": {"values": values},
            "mark": {"type": "line", "point": {"size": 40, "filled": True}, "strokeWidth": 2},
            "encoding": {
                "x": {
                    "field": "release",
                    "type": "ordinal",
                    "sort": list(releases),
                    "title": None,
                    "axis": {"labelAngle": 0, "labelOverlap": "greedy", "labelFlush": True},
                },
                "y": {
                    "field": "size",
                    "type": "quantitative",
                    "title": None,
                    "scale": {"zero": True},
                    "axis": {"labelExpr": _LABELS["bytes"], "tickCount": 4},
                },
                "color": {
                    "field": "name",
                    "type": "nominal",
                    "legend": None,
                    "scale": {"domain": list(names), "range": [colours[name] for name in names]},
                },
            },
        }
    )


def _ticks(unit: Unit, rows: Sequence[Row], count: int) -> dict[str, JsonValue]:
    """Return how many ticks an axis has; of minutes also where, since what is round in seconds is not in minutes."""
    longest = max((part.end for row in rows for part in row.parts), default=0)
    if unit == "bytes" or longest < _MINUTES_FROM:
        return {"tickCount": count}
    step = next((step for step in _ROUND_SECONDS if longest / step <= count + 1), _ROUND_SECONDS[-1])
    places: list[JsonValue] = list(range(0, int(longest) + 1, step))
    return {"values": places}


def _fitting(row: Row, width: int) -> str:
    """Return a row's label without its middle where it would run into the figure."""
    room = int((width / _CHARACTER_WIDTH) - len(row.figure) - 2)
    if len(row.label) <= room:
        return row.label
    head = (room - 1) // 3
    return f"{row.label[:head]}…{row.label[head + 1 - room :]}"


def _text(
    values: list[JsonValue], y: JsonValue, *, field: str, x: int, align: str, colour: str
) -> dict[str, JsonValue]:
    mark: JsonValue = {
        "type": "text",
        "align": align,
        "baseline": "bottom",
        "dy": _LABEL_ABOVE + _BAR_HEIGHT // 2 - 4,
        "fontSize": 12,
        "color": colour,
    }
    return {
        "data": {"values": values},
        "mark": mark,
        "encoding": {"y": y, "x": {"value": x}, "text": {"field": field, "type": "nominal"}},
    }


def _picture(body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    config: JsonValue = {
        "view": {"stroke": None},
        "axis": {
            "labelColor": QUIET,
            "labelFontSize": 11,
            "gridColor": GRID,
            "gridOpacity": 0.6,
            "domainColor": GRID,
            "tickColor": GRID,
            "tickSize": 4,
        },
    }
    return {"$schema": _SCHEMA, "background": None, "padding": 4, **body, "config": config}
