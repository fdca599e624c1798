"""How a verdict about budgets is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.cli.tables import markdown, size_text, table
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.model.budget_verdict import BudgetVerdict, Explanation, Figure, GrownFile, SectionChange
    from pipeline.model.growth import LayerChange

_SHOWN_FILES = 12
_SHOWN_SECTIONS = 4
_FIGURES_ON_THE_RIGHT = ("is", "may be", "too much", "budget", "used", "before", "after", "grew by", "size")


class Part(NamedTuple):
    """One table.

    Attributes:
        title: line above it.
        headings: of its columns.
        rows: one tuple a line.
        more: line below it; empty where there is none.
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    more: str = ""


def verdict_document(verdict: BudgetVerdict) -> dict[str, Any]:
    """Return a verdict as plain JSON, with what is over listed once more."""
    return {**verdict.model_dump(mode="json"), "over": [figure.model_dump(mode="json") for figure in verdict.over]}


def over_parts(verdict: BudgetVerdict) -> tuple[Part, ...]:
    """Return what is over, and for each bundle what grew; nothing when nothing is over."""
    if not verdict.over:
        return ()
    rows = [
        (
            figure.target,
            figure.version,
            _what(figure),
            _amount(figure, figure.actual),
            _amount(figure, figure.limit),
            _amount(figure, figure.excess),
            "its budget" if figure.before is None else f"growth from {_amount(figure, figure.before)}",
        )
        for figure in verdict.over
    ]
    headings = ("target", "version", "what", "is", "may be", "too much", "set by")
    return (
        Part("Over budget", headings, rows),
        *(part for explanation in verdict.explanations for part in _explained(explanation)),
    )


def room_parts(verdict: BudgetVerdict) -> tuple[Part, ...]:
    """Return how much of each budget is used; nothing when there is none."""
    rows = [
        (
            figure.target,
            figure.version,
            _what(figure),
            _amount(figure, figure.actual),
            _amount(figure, figure.limit),
            f"{figure.used:.0%}",
        )
        for figure in verdict.figures
        if figure.kind == "budget"
    ]
    return (Part("Budgets", ("target", "version", "what", "is", "budget", "used"), rows),) if rows else ()


def parts_text(parts: tuple[Part, ...]) -> str:
    """Return tables for a terminal."""
    shown = []
    for part in parts:
        right = [name for name in part.headings if name in _FIGURES_ON_THE_RIGHT]
        lines = (f"{part.title}:", table(part.headings, part.rows, right=right), part.more)
        shown.append("\n".join(filter(None, lines)))
    return "\n\n".join(shown)


def parts_markdown(parts: tuple[Part, ...]) -> str:
    """Return tables for a CI job's summary."""
    shown = []
    for part in parts:
        more = f"\n{part.more}\n" if part.more else ""
        shown.append(f"### {part.title}\n\n{markdown(part.headings, part.rows)}{more}")
    return "\n".join(shown)


def figure_text(figure: Figure) -> str:
    """Return one figure that is over, as a sentence."""
    limit = "its budget" if figure.before is None else "what it may grow to"
    return (
        f"{figure.target} {figure.version}: {_what(figure)} is {_amount(figure, figure.actual)}, "
        f"{_amount(figure, figure.excess)} above {limit} of {_amount(figure, figure.limit)}"
    )


def _explained(explanation: Explanation) -> Iterator[Part]:
    name = f"{explanation.target} {explanation.version}"
    since = f"{name} since {explanation.baseline}"
    if explanation.layers:
        rows = [row for layer in explanation.layers for row in _layer_rows(layer)]
        yield Part(f"Layers that grew in {since}", ("layer", "what", "before", "after", "grew by"), rows)
    if explanation.largest:
        large = [(file.layer, file.path, size_text(file.size)) for file in explanation.largest]
        yield Part(f"The largest files of {name}", ("layer", "file", "size"), large)
    if not explanation.files:
        return
    files = [_file_row(file) for file in explanation.files[:_SHOWN_FILES]]
    left = len(explanation.files) - len(files)
    more = [f"and {counted(left, 'smaller change')}"] if left else []
    more += [f"{size_text(explanation.files_shrunk)} went elsewhere"] if explanation.files_shrunk else []
    headings = ("layer", "file", "before", "after", "grew by", "of it")
    yield Part(f"Files that grew in {since}", headings, files, "; ".join(more))


def _layer_rows(layer: LayerChange) -> Iterator[tuple[str, ...]]:
    """Return download and installed size of a layer, as far as they grew."""
    for what in ("download", "installed"):
        before, after = (0 if amount is None else getattr(amount, what) for amount in (layer.before, layer.after))
        if after > before:
            was = "new" if layer.before is None else size_text(before)
            yield (layer.name, what, was, size_text(after), size_text(after - before))


def _file_row(file: GrownFile) -> tuple[str, ...]:
    sections = ", ".join(_section(change) for change in file.sections[:_SHOWN_SECTIONS])
    before = "new" if file.before is None else size_text(file.before)
    return (file.layer, file.path, before, size_text(file.after), size_text(file.grown), sections)


def _section(change: SectionChange) -> str:
    new = " (new)" if change.before == 0 else ""
    return f"{change.name} {size_text(change.after - change.before)}{new}"


def _what(figure: Figure) -> str:
    what = {"ready": "time until ready", "resident": "memory"}.get(figure.measure, figure.measure)
    return what if figure.layer is None else f"{what} of layer {figure.layer}"


def _amount(figure: Figure, value: int) -> str:
    return f"{value / 1000:.1f} s" if figure.measure == "ready" else size_text(value)
