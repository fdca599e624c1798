"""How cost grows with a repository, as Markdown: a table with exponents, the aims, the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EXPLAINED = (
    "Seconds (those of the processor in brackets) and peak memory by artifacts in the repository. An exponent is the"
    " slope of least squares through the logarithms: 1 is proportional, 0 does not grow. The start of the interpreter,"
    " which does not grow, makes it small, least so for the last two points. On a busy machine that of the processor's"
    " time says more."
)


def growth_lines(details: Mapping[str, Any], *, pictures_folder: str) -> list[str]:
    """Return what a benchmark that measured growth has to say, nothing for any other.

    Args:
        details: what it printed beside its figures.
        pictures_folder: where its picture is, relative to the page; ends with a slash where it is not empty.
    """
    growth: Mapping[str, Any] = details.get("growth") or {}
    if not growth:
        return []
    rows: Sequence[Mapping[str, Any]] = details["table"]
    counts = sorted({row["artifacts"] for row in rows})
    known = {(row["operation"], row["artifacts"]): row for row in rows}
    slopes = ("exponent", "last two points", "exponent, processor", "last two points, processor")
    headings = ["command", *(f"{count:,}" for count in counts), *slopes]
    lines = [
        _EXPLAINED,
        "",
        f"| {' | '.join(headings)} |",
        f"|{'---|' * len(headings)}",
    ]
    for name, found in growth.items():
        cells = [_cell(known[name, count]) for count in counts]
        exponents = [found[column][of] for column in ("seconds", "processor_seconds") for of in ("all", "last_two")]
        lines.append(f"| {' | '.join([name, *cells, *(f'{one:.2f}' for one in exponents)])} |")
    lines += ["", aims_text(details["aims"])]
    for picture in details.get("pictures", ()):
        lines += ["", f"![Seconds of each command by artifacts, both logarithmic]({pictures_folder}{picture})"]
    return lines


def aims_text(aims: Mapping[str, Any]) -> str:
    """Return the aims, and whether they are met."""
    text = (
        f"Aim: each below {aims['seconds']:g} s and {aims['megabytes']:g} MB with {aims['artifacts']:,} artifacts in"
        f" {aims['releases']} releases: "
    )
    if aims["met"] is None:
        return f"{text}not measured."
    return f"{text}**met**." if aims["met"] else f"{text}**missed** by {', '.join(aims['missed'])}."


def _cell(row: Mapping[str, Any]) -> str:
    return f"{row['seconds']:.2f} s ({row['processor_seconds']:.2f}), {row['peak_mb']:.0f} MB"
