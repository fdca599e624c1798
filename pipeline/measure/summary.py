"""``report.md``: the same figures for a CI job's summary, which may have 1 MiB for all steps of a job. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.measure.page import glance
from pipeline.measure.tables import (
    bundle_table,
    change_table,
    duplicate_table,
    file_table,
    layer_table,
    program_table,
    sharing_table,
    time_table,
    unstripped_table,
    update_table,
)
from pipeline.measure.update_views import delta_table, update_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.measure.tables import Table
    from pipeline.model.footprint import FootprintReport

LIMIT_BYTES = 200_000
"""Of a summary: GitHub allows a step 1 MiB, and people read less."""
_ROWS = (60, 25, 10)


def summary(report: FootprintReport) -> str:
    """Return the report as Markdown; the tables are shorter where there is too much."""
    for rows in _ROWS:
        text = "\n".join(_lines(report, rows))
        if len(text.encode()) <= LIMIT_BYTES:
            return text
    return "\n".join(_lines(report, 1))


def _lines(report: FootprintReport, rows: int) -> Iterator[str]:
    yield f"### Footprint of release {report.release}"
    yield ""
    if any(bundle.rehearsal for bundle in report.bundles):
        yield "A rehearsal: there is no engine in these bundles."
        yield ""
    for what, figure, beside in glance(report):
        yield f"- {what}: **{figure}** {_escaped(beside)}"
    yield ""
    yield from _tables((bundle_table(report),), rows)
    yield from _tables((update_table(report), change_table(report).shortened(10)), rows)
    yield from _tables((delta_table(report),), rows)
    if report.updates:
        yield _escaped(update_words(report))
        yield ""
    yield from _tables((sharing_table(report), layer_table(report), file_table(report).shortened(10)), rows)
    yield from _tables((time_table(report).shortened(10),), rows)
    findings = (unstripped_table(report), program_table(report), duplicate_table(report))
    yield from _tables((table.shortened(5) for table in findings), rows)


def _tables(tables: Iterable[Table], rows: int) -> Iterator[str]:
    for table in tables:
        if not table.rows:
            continue
        shown = table.shortened(rows)
        yield f"#### {shown.title}"
        yield ""
        yield f"| {' | '.join(shown.headings)} |"
        yield f"| {' | '.join('---:' if heading in shown.right else '---' for heading in shown.headings)} |"
        yield from (f"| {' | '.join(map(_escaped, row))} |" for row in shown.rows)
        yield ""
        if shown.left_out:
            yield f"{shown.left_out} more in report.json."
            yield ""


def _escaped(cell: str) -> str:
    """Return text that Markdown shows as it is: names of files come from others."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|&!#" else c for c in cell)
