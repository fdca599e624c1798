"""What benchmarks measured as a table for people, and its place in docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.gathering.growth_page import growth_lines
from tests.gathering.protocol import is_met

BEGIN = "<!-- ci/benchmarks --write-docs: from here -->"
END = "<!-- ci/benchmarks --write-docs: to here -->"
_BUSY = 1.5  # processes that want a processor, for each core: above it times say little

Entry = Mapping[str, Any]


def page(document: Mapping[str, Any], *, pictures_folder: str = "") -> str:
    """Return the Markdown of everything that was gathered.

    Args:
        document: as ``performance.json``.
        pictures_folder: where pictures are, relative to the page; ends with a slash where it is not empty.
    """
    programs: Sequence[Entry] = document["programs"]
    machine = document["machine"]
    size = f"{machine['cores']} cores, {machine['memory_gib']} GiB"
    system = f"{machine['system']}, kernel {machine['kernel']}, Python {machine['python']}"
    lines = [
        f"{machine['processor']}, {size}, {system}; {_versions(document['versions'])}.",
        "",
        *_notes(programs, machine["cores"]),
        "Ratios are of ours to the peer's. The spread is the lowest and the highest of the rounds.",
        "",
        "| benchmark | what | peer | measured | spread | rounds | aim |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(entry, figure) for entry in programs for figure in entry["figures"]]
    for entry in programs:
        if grown := growth_lines(entry["details"], pictures_folder=pictures_folder):
            lines += ["", f"#### Growth by `{entry['name']}`", "", *grown]
    if said := [*_not_measured(programs), *_missing(document)]:
        lines += ["", "What is not in the table:", "", *said]
    return "\n".join(lines) + "\n"


def with_page(text: str, generated: str) -> str:
    """Return a document with what stands between the markers replaced.

    Raises:
        ValueError: the markers are not there once each, in their order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the document needs the lines {BEGIN} and {END}, once each")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{generated}\n{END}{rest.partition(END)[2]}"


def verdict(figure: Mapping[str, Any]) -> str:
    """Return an aim and whether it is met."""
    met = is_met(figure)
    if met is None:
        return ""
    bound = "at most" if figure["better"] == "lower" else "at least"
    return f"{bound} {_number(figure['aim'], figure['unit'])}: {'met' if met else '**missed**'}"


def _row(entry: Entry, figure: Mapping[str, Any]) -> str:
    unit = figure["unit"]
    spread = f"{_number(figure['lowest'], unit)} to {_number(figure['highest'], unit)}" if figure["rounds"] > 1 else ""
    name = f"{entry['name']}{' (quick)' if entry['quick'] else ''}"
    cells = (name, figure["what"], figure["peer"] or "", f"**{_number(figure['value'], unit)}**", spread)
    return f"| {' | '.join((*cells, str(figure['rounds']), verdict(figure)))} |"


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text if unit in {"ratio", "exponent"} else f"{text} {unit}"


def _notes(programs: Sequence[Entry], cores: int) -> list[str]:
    """Return how the figures are to be read: quick runs and a busy machine are said first."""
    measured = [entry for entry in programs if entry["figures"]]
    lines = []
    if any(entry["quick"] for entry in measured):
        lines.append("**Of quick runs**: less data and fewer rounds than the full benchmark; a first look, no verdict.")
    loads = [value for entry in measured for value in entry["load"]]
    if loads and max(loads) > _BUSY * cores:
        lines.append(
            f"**On a busy machine**: {min(loads)} to {max(loads)} processes wanted its {cores} cores. Wall times are "
            "too long by as much, and ratios of few rounds may be off."
        )
    commits = sorted({entry["commit"] for entry in measured if entry["commit"]})
    days = sorted({entry["started"][:10] for entry in measured})
    if measured:
        lines.append(f"Measured {' and '.join(days)}{', commit ' + ', '.join(commits) if commits else ''}.")
    return [*lines, ""] if lines else []


def _not_measured(programs: Sequence[Entry]) -> list[str]:
    lines = [
        f"- `{entry['name']}` {_STATUS_WORDS[entry['status']]}: {entry['why']}"
        for entry in programs
        if entry["status"] != "measured"
    ]
    return lines + [f"- `{entry['name']}`: {reason}" for entry in programs for reason in entry["left_out"]]


_STATUS_WORDS = {"failed": "failed", "left out": "was left out", "interrupted": "was interrupted"}


def _missing(document: Mapping[str, Any]) -> list[str]:
    lines = []
    if document["missing"]:
        lines.append(f"- peers that are not on this machine: {', '.join(document['missing'])}")
    if document["not_run"]:
        lines.append(f"- not run: {', '.join(f'`{name}`' for name in document['not_run'])}")
    return lines


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "no peer"
