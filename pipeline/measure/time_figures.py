"""The pictures of times, and of sizes over releases. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.measure.figure import HALF, Figure, bars
from pipeline.measure.pictures import Line, Part, Row, lines_picture, stacked
from pipeline.measure.wording import bytes_text, time_text
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.model.footprint import FootprintReport, StrategyTime
    from pipeline.model.step_times import StepTime

_LONGEST_STEPS = 40
_STAGES = {
    "fetch": "var(--c4)",
    "compile": "var(--c1)",
    "layer": "var(--c5)",
    "prove": "var(--c2)",
    "bundle": "var(--c6)",
    "other": "var(--c8)",
}
_AMOUNTS = {"download": "var(--c1)", "installed": "var(--c4)"}
_TIMES = {"measured": "var(--c1)", "forecast": "var(--c8)"}


def growth_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return the sizes of every target that has several versions here."""
    found = []
    for number, one in enumerate(report.growth):
        if len(one.points) > 1:
            releases = [point.version for point in one.points]
            lines = [
                Line("download", tuple(point.download for point in one.points)),
                Line("installed", tuple(point.installed for point in one.points)),
            ]
            first, last = one.points[0], one.points[-1]
            text = (
                f"{counted(len(releases), 'release')}: download {bytes_text(first.download)} to"
                f" {bytes_text(last.download)}, installed {bytes_text(first.installed)} to"
                f" {bytes_text(last.installed)}."
            )
            picture = lines_picture(releases, lines, _AMOUNTS, width=HALF - 60)
            found.append(Figure(f"growth-{number}", one.target, text, _AMOUNTS, picture))
    return tuple(found)


def time_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return a waterfall of each build that steps were carried out in."""
    runs = sorted({time.run for time in report.times if not time.reused})
    return tuple(_waterfall(run, [t for t in report.times if t.run == run and not t.reused]) for run in runs)


def strategy_figures(report: FootprintReport) -> tuple[Figure, ...]:
    """Return times to the first token by strategy, for each target that there are any of."""
    found = []
    for number, target in enumerate(sorted({one.target for one in report.strategies})):
        rows = [
            stacked(
                f"{one.strategy}{f', {one.link}' if one.link else ''}",
                f"{time_text(one.milliseconds)}{_range(one)}",
                [("forecast" if one.forecast else "measured", one.milliseconds / 1000)],
            )
            for one in report.strategies
            if one.target == target
        ]
        text = f"Seconds from nothing to the first token of {target}, by strategy; bringing a model is not counted."
        found.append(bars(f"strategies-{number}", target, text, rows=rows, colours=_TIMES, unit="seconds"))
    return tuple(found)


def _range(one: StrategyTime) -> str:
    if one.least is None:
        return ""
    return (
        f" ({time_text(one.least)} to {time_text(one.most)})"
        if one.most is not None
        else f" ({time_text(one.least)} or more)"
    )


def stage_of(kind: str) -> str:
    """Return which stage an action belongs to."""
    for stage, words in (
        ("fetch", ("fetch", "download", "archive")),
        ("prove", ("prove",)),
        ("compile", ("compile", "build")),
        ("bundle", ("bundle",)),
        ("layer", ("layer", "split")),
    ):
        if any(word in kind for word in words):
            return stage
    return "other"


def _waterfall(run: str, times: Sequence[StepTime]) -> Figure:
    longest = sorted(times, key=lambda time: (-time.milliseconds, time.step))[:_LONGEST_STEPS]
    shown = sorted(longest, key=lambda time: (time.start_milliseconds, time.step))
    begins = min(time.start_milliseconds for time in times)
    rows = [
        Row(
            time.step,
            time_text(time.milliseconds),
            (_part(time, begins),),
        )
        for time in shown
    ]
    total = sum(time.milliseconds for time in times)
    more = f"; the {len(shown)} longest are shown" if len(shown) < len(times) else ""
    text = f"{counted(len(times), 'step')} of the build of {run}, {time_text(total)} together{more}."
    name = "times-" + "".join(c for c in run if c.isdigit())
    return bars(name, f"Build of {run}", text, rows=rows, colours=_STAGES, unit="seconds", is_wide=True)


def _part(time: StepTime, begins: int) -> Part:
    """Return when a step ran, in seconds of the build."""
    start = time.start_milliseconds - begins
    return Part(stage_of(time.kind), start / 1000, (start + time.milliseconds) / 1000)
