"""What every benchmark prints: one JSON document with ``figures``, which can be put side by side; the rest is its own.

A figure is a value with its unit; a ratio says of what peer. ``spread`` takes it from rounds that were measured next
to each other: the value is the median, beside the lowest and the highest.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Better = Literal["lower", "higher"]
Figure = dict[str, Any]
_DIGITS = 4
REQUIRED = frozenset({"what", "value", "unit", "peer", "lowest", "highest", "rounds", "aim", "better"})


def spread(
    what: str,
    values: Iterable[float],
    *,
    unit: str = "ratio",
    peer: str | None = None,
    aim: float | None = None,
    better: Better = "lower",
) -> Figure:
    """Return a figure of several rounds.

    Args:
        what: was measured, in a few words.
        values: one for each round.
        unit: ``ratio``, ``s``, ``ms``, ``MB``, ``bytes``, ``exponent``.
        peer: the program, or the other way of doing it, that a ratio is to.
        aim: what the value should reach; None where there is none.
        better: whether the aim is met by values up to it (lower) or from it on (higher).
    """
    given = [float(value) for value in values]
    return {
        "what": what,
        "value": _rounded(statistics.median(given)),
        "unit": unit,
        "peer": peer,
        "lowest": _rounded(min(given)),
        "highest": _rounded(max(given)),
        "rounds": len(given),
        "aim": aim,
        "better": better,
    }


def is_met(figure: Figure) -> bool | None:
    """Tell whether a figure's aim is met; None where it has none."""
    if figure["aim"] is None:
        return None
    below, above = figure["value"] <= figure["aim"], figure["value"] >= figure["aim"]
    return bool(below if figure["better"] == "lower" else above)


def complaints(document: object) -> list[str]:
    """Return what is wrong with a document that a benchmark printed."""
    if not isinstance(document, dict) or not isinstance(document.get("figures"), list):
        return ["it printed no object with a list of figures"]
    if not document["figures"]:
        return ["it printed no figure"]
    found = []
    for number, figure in enumerate(document["figures"], 1):
        if not isinstance(figure, dict) or figure.keys() != REQUIRED:
            found.append(f"figure {number} does not have exactly the keys {', '.join(sorted(REQUIRED))}")
        elif not isinstance(figure["value"], int | float) or isinstance(figure["value"], bool):
            found.append(f"figure {number}, {figure['what']}: its value is no number")
    return found


def _rounded(value: float) -> float:
    """Return a value with four digits that count."""
    return float(f"{value:.{_DIGITS}g}") if abs(value) < 10**_DIGITS else round(value)
