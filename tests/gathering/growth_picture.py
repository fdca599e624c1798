"""How cost grows with a repository, drawn on two logarithmic axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.app.measuring import picture_maker

if TYPE_CHECKING:
    from collections.abc import Sequence

_INK, _GRID, _AIM = (
    "#57606a",
    "#c8ccd1",
    "#b35900",
)  # readable on white and on black: a file in docs has no page's colours
_LINES = ("#2f81f7", "#d1495b", "#2f9e6e", "#8a63d2", "#c08a00")


def growth_picture(table: Sequence[dict[str, Any]], *, aim_seconds: float) -> str:
    """Return an SVG: seconds over artifacts, a line for each operation, and the aim.

    Args:
        table: rows with ``artifacts``, ``operation``, ``seconds``, ``lowest_seconds`` and ``highest_seconds``.
        aim_seconds: drawn as a dashed line.
    """
    names = list(dict.fromkeys(row["operation"] for row in table))
    counts = sorted({row["artifacts"] for row in table})
    x = {
        "field": "artifacts",
        "type": "quantitative",
        "title": "artifacts in the repository",
        "scale": {"type": "log", "domain": [counts[0], counts[-1]]},
        "axis": {"values": counts, "format": "d"},
    }
    y = {
        "field": "seconds",
        "type": "quantitative",
        "title": "seconds, whole process",
        "scale": {"type": "log", "domain": [0.1, max(2 * aim_seconds, *(row["highest_seconds"] for row in table))]},
        "axis": {"values": [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50], "format": "~g"},
    }
    colour = {"field": "operation", "type": "nominal", "title": None}
    colour |= {"scale": {"domain": names, "range": list(_LINES[: len(names)])}, "legend": {"orient": "top"}}
    ends = {"y": y | {"field": "lowest_seconds"}, "y2": {"field": "highest_seconds"}}
    layers = [
        {"mark": {"type": "rule", "strokeWidth": 1}, "encoding": {"x": x, **ends, "color": colour}},
        {
            "mark": {"type": "line", "point": {"size": 36, "filled": True}, "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": colour},
        },
        {
            "data": {"values": [{"seconds": aim_seconds}]},
            "mark": {"type": "rule", "strokeDash": [5, 4], "color": _AIM},
            "encoding": {"y": y},
        },
    ]
    quiet = {"labelColor": _INK, "titleColor": _INK, "gridColor": _GRID, "domainColor": _GRID, "tickColor": _GRID}
    specification = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        "width": 520,
        "height": 300,
        "data": {"values": list(table)},
        "layer": layers,
        "config": {"view": {"stroke": None}, "axis": quiet, "legend": {"labelColor": _INK}},
    }
    return picture_maker().svg(specification)
