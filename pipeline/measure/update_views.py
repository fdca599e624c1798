"""What updates bring, in words, pictures and tables: the whole bundle, layers that changed, and deltas. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from pipeline.measure.figure import HALF, Figure, bars
from pipeline.measure.pictures import Line, lines_picture, stacked
from pipeline.measure.tables import Table
from pipeline.measure.wording import bytes_text, share_text
from pipeline.model.counts import SHOWN, counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.measure.pictures import Row
    from pipeline.model.footprint import FootprintReport
    from pipeline.model.updates import Coming, Update, UpdateLayer

_BRINGS = "What an update brings to who has the version before: the layers that changed"
_PARTS = {
    "by delta": "var(--c4)",
    "whole layers": "var(--c1)",
    "what deltas save": "var(--c8)",
    "what stays": "var(--grid)",
}
_WAYS = {"whole bundle": "var(--c8)", "layers that changed": "var(--c1)", "with deltas": "var(--c4)"}
_WHY: dict[Coming, str] = {
    "new": "new in the bundle",
    "none": "no delta is published",
    "larger": "its delta is no smaller",
    "missing": "its delta is missing",
    "damaged": "its delta is damaged",
}


def update_words(report: FootprintReport) -> str:
    """Return what there is to say of updates: whether deltas were measured, and which are lacking or damaged."""
    if report.made_from == "dist":
        return (
            f"{_BRINGS}, whole. A dist folder has no deltas to measure: publishing makes them, and a report of the"
            " repository counts them."
        )
    if not any(update.by_delta for update in report.updates):
        return " ".join((f"{_BRINGS}, whole: no delta in this repository is of use for it.", *_flawed(report)))
    rule = "by the smallest delta that the repository has, or whole where it has none that is smaller."
    return " ".join((f"{_BRINGS}, each {rule}", *_flawed(report)))


def flawed_deltas(report: FootprintReport) -> tuple[str, ...]:
    """Return the deltas that are damaged. One that is missing is not: a copy without deltas is as good as any."""
    return _coming(report, "damaged")


def lacking_text(report: FootprintReport, *, shown: int = SHOWN) -> str:
    """Return that a copy holds none of the deltas that are signed, or which it lacks; empty for nothing."""
    lacking = _coming(report, "missing")
    if not lacking:
        return ""
    held = any(layer.delta is not None or layer.comes == "damaged" for one in report.updates for layer in one.layers)
    which = counted(len(lacking), "layer")
    if not held:
        return f"this copy holds none of its deltas: those of {which} of updates, counted whole"
    return f"this copy lacks the deltas of {which} of updates, counted whole: {listed(lacking, shown=shown)}"


def flawed_text(flawed: Sequence[str], *, shown: int = SHOWN) -> str:
    """Return how layers count whose delta is damaged, and the first of them."""
    which = f"{counted(len(flawed), 'layer')} of updates counted whole, the delta being damaged"
    return f"{which}: {listed(flawed, shown=shown)}"


def update_glance(report: FootprintReport) -> tuple[str, str, str]:
    """Return what an update brings on average: (what, figure, beside it)."""
    compared = [update for update in report.updates if update.compared]
    brought, by_layer, naive = (
        bytes_text(sum(sizes) // len(compared))
        for sizes in zip(*((one.brought, one.by_layer, one.naive) for one in compared), strict=True)
    )
    if any(update.by_delta for update in compared):
        beside = f"of {naive}, on average, with deltas; {by_layer} without"
    else:
        no_deltas = "no deltas in a dist folder" if report.made_from == "dist" else "none of it by delta"
        beside = f"of {naive}, on average; {no_deltas}"
    return ("an update brings", brought, beside)


def update_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return what updates to these bundles bring beside the whole bundle, and that of every step to its next one."""
    rows = [_row(update) for update in report.updates if update.compared]
    if not rows:
        return tuple(_steps(report))
    text = "Of each bundle, what an update brings, what deltas save of it, and what is there already."
    if report.made_from == "dist":
        text = "Of each bundle, what an update brings, and what is there already; a dist folder has no deltas."
    return (bars("update", "An update by layers", text, rows=rows, colours=_PARTS, is_wide=True), *_steps(report))


def delta_table(report: FootprintReport) -> Table:
    """Return every step of every target, those to these bundles first: whole, by layer, with deltas."""
    numbered = list(enumerate(report.updates))
    numbered.sort(key=lambda item: (not item[1].compared, item[1].target, -item[0]))
    rows = tuple(
        (
            one.target,
            _versions(one),
            bytes_text(one.naive),
            f"{bytes_text(one.by_layer)} ({share_text(one.by_layer, one.naive)})",
            "not measured"
            if one.with_deltas is None
            else f"{bytes_text(one.with_deltas)} ({share_text(one.with_deltas, one.naive)})",
            listed([f"{layer.name} {_ratio(layer)}" for layer in one.by_delta])
            or ("-" if one.with_deltas is None else "none"),
            listed([_whole(layer) for layer in one.layers if layer.comes != "delta"]) or "none",
        )
        for _, one in numbered
    )
    ways = ("whole bundle", "changed layers", "with deltas")
    also = "" if all(one.to_next for one in report.updates) else ", and from the baseline"
    return Table(
        f"Updates from each version to the next{also}",
        ("target", "versions", *ways, "by delta, of the layer", "whole layers"),
        rows,
        frozenset(ways),
    )


def _versions(update: Update) -> str:
    """Return from where to where; the baseline is named where there may be a bundle of its version beside it."""
    return f"{update.baseline}{'' if update.to_next else ' (baseline)'} → {update.version}"


def _ratio(layer: UpdateLayer) -> str:
    return f"{bytes_text(layer.brought)} ({share_text(layer.brought, layer.whole)})"


def _whole(layer: UpdateLayer) -> str:
    why = _WHY.get(layer.comes, "")
    return f"{layer.name} {bytes_text(layer.whole)}{f': {why}' if why else ''}"


def _coming(report: FootprintReport, comes: Coming) -> tuple[str, ...]:
    """Return the layers of updates that come in one way, for people."""
    return tuple(
        f"{layer.name} of {update.target} {_versions(update)}"
        for update in report.updates
        for layer in update.layers
        if layer.comes == comes
    )


def _flawed(report: FootprintReport) -> Iterator[str]:
    if lacking := lacking_text(report, shown=1):
        yield f"{lacking[0].upper()}{lacking[1:]}."
    if flawed := flawed_deltas(report):
        yield f"{flawed_text(flawed, shown=1)}."


def _row(update: Update) -> Row:
    by_delta = sum(layer.brought for layer in update.by_delta)
    sizes = [
        ("by delta", by_delta),
        ("whole layers", update.brought - by_delta),
        ("what deltas save", update.by_layer - update.brought),
        ("what stays", max(update.naive - update.by_layer, 0)),
    ]
    figure = f"{bytes_text(update.brought)} of {bytes_text(update.naive)}, {share_text(update.brought, update.naive)}"
    return stacked(f"{update.target} {_versions(update)}", figure, sizes)


def _steps(report: FootprintReport) -> Iterator[Figure]:
    """Yield a picture of each target that has several steps to a next version here; an older baseline is no point."""
    by_target = groupby((one for one in report.updates if one.to_next), key=lambda update: update.target)
    for number, (target, found) in enumerate(by_target):
        updates = list(found)
        if len(updates) < 2:
            continue
        lines = [
            Line("whole bundle", tuple(one.naive for one in updates)),
            Line("layers that changed", tuple(one.by_layer for one in updates)),
        ]
        if report.made_from == "repository":
            lines.append(Line("with deltas", tuple(one.brought for one in updates)))
        text = f"{counted(len(updates), 'update')}, each named by the version that it leads to."
        colours = {line.name: _WAYS[line.name] for line in lines}
        picture = lines_picture([one.version for one in updates], lines, colours, width=HALF - 60)
        yield Figure(f"update-{number}", f"Updates of {target}", text, colours, picture)
