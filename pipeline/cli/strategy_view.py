"""What a bench of strategies found, for people: figures, forecasts and decisions, as text or Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.cli.tables import markdown, size_text, table
from pipeline.measure.spread import STAGES
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.model.profiles import DeploymentProfile
    from pipeline.model.strategies import Decision, Forecast, LinkModel, Option, StrategiesResult
    from pipeline.model.strategy_runs import Measurement, Spread


_NUMBERS = {"runs", "download", "on disk", "error", *STAGES}


class _Section(NamedTuple):
    title: str
    before: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    after: tuple[str, ...] = ()


def as_text(result: StrategiesResult, profiles: Sequence[DeploymentProfile]) -> str:
    """Return everything for a terminal."""
    parts = []
    for section in _sections(result, profiles):
        right = [heading for heading in section.headings if heading.endswith(", s") or heading in _NUMBERS]
        lines = [section.title, section.before, table(section.headings, section.rows, right=right), *section.after]
        parts.append("\n".join(line for line in lines if line))
    return "\n\n".join(parts)


def as_markdown(result: StrategiesResult, profiles: Sequence[DeploymentProfile]) -> str:
    """Return everything for a page, or for the summary of a CI job."""
    parts = []
    for section in _sections(result, profiles):
        parts.append(f"### {section.title}\n")
        if section.before:
            parts.append(f"{section.before}\n")
        parts.append(markdown(section.headings, section.rows))
        parts += [f"{line}\n" for line in section.after]
    return "\n".join(parts).rstrip()


def _sections(result: StrategiesResult, profiles: Sequence[DeploymentProfile]) -> list[_Section]:
    makers: tuple[Callable[[], _Section], ...] = (
        lambda: _links(result),
        lambda: _totals(result),
        lambda: _stages(result),
        lambda: _model(result.link_model),
        lambda: _forecasts(result),
        lambda: _decisions(result, profiles),
        lambda: _costs(result.decisions),
    )
    return [section for section in (make() for make in makers) if section.rows]


def _links(result: StrategiesResult) -> _Section:
    machine = result.machine
    where = (
        f"{result.measured_at} on {machine.system}, {machine.processor or machine.platform}, "
        f"{counted(machine.processors, 'processor')}; "
        f"{', '.join(f'{name} {version}' for name, version in result.versions.items())}; asked with {result.model}"
    )
    rows = [(link.profile.name, link.profile.title, link.maker, link.why) for link in result.links]
    return _Section("Links", where, ("link", "what it is like", "made by", "why not nearer to the truth"), rows)


def _totals(result: StrategiesResult) -> _Section:
    rows = [
        (
            m.strategy,
            m.target,
            m.link or "disk",
            str(len(m.runs)),
            _load(m),
            _spread(m.total),
            _spread(m.without_model),
            size_text(m.download_bytes),
            size_text(m.disk_bytes),
            f"{m.prepared_seconds:.1f}" if m.prepared_seconds else "",
        )
        for m in result.measurements
    ]
    headings = (
        "strategy", "target", "link", "runs", "load", "to first token, s", "without model, s", "download", "on disk",
        "once before, s",
    )  # fmt: skip
    notes = sorted({f"{m.strategy} of {m.target}: {note}" for m in result.measurements for note in m.notes})
    before = "Median (lowest to highest) of the runs, from nothing to the first generated token."
    return _Section("Measured", before, headings, rows, tuple(notes))


def _stages(result: StrategiesResult) -> _Section:
    there = {stage.stage for m in result.measurements for stage in m.stages}
    names = [name for name in STAGES if name in there]
    rows: list[tuple[str, ...]] = []
    for m in result.measurements:
        found = {stage.stage: stage.seconds.median for stage in m.stages}
        cells = [f"{found[name]:.2f}" if name in found else "" for name in names]
        rows.append((m.strategy, m.target, m.link or "disk", *cells))
    return _Section("Stages", "Median seconds of each.", ("strategy", "target", "link", *names), rows)


def _forecasts(result: StrategiesResult) -> _Section:
    largest = max((m.installed_bytes for m in result.measurements), default=0)
    rows = [
        (f.strategy, f.target, f.link or "disk", "none" if f.seconds is None else f"{f.seconds:.1f}", _range(f),
         size_text(f.download_bytes), f"{f.why}{_beyond(f, largest)}")
        for f in result.forecasts
    ]  # fmt: skip
    headings = ("strategy", "target", "link", "forecast, s", "by the error, s", "download", "why not measured")
    before = "None of these was run. Without a model; the error is the largest that the link model has."
    after = []
    if any(f.seconds is not None and f.lowest is None for f in result.forecasts):
        after.append("How far off these are is not known: that takes measurements of three targets of different sizes.")
    if any(f.seconds is None for f in result.forecasts):
        after.append(
            "Where there is none, the measurements say nothing of that size: measure targets of other sizes too."
        )
    return _Section("Forecasts", before, headings, rows, tuple(after))


def _range(forecast: Forecast) -> str:
    if forecast.lowest is None:
        return "" if forecast.seconds is None else "not known"
    if forecast.highest is None:
        return f"{forecast.lowest:.1f} or more"
    return f"{forecast.lowest:.1f} to {forecast.highest:.1f}"


def _model(model: LinkModel | None) -> _Section:
    if model is None:
        return _Section("Link model", "", (), [])
    terms = " + ".join(
        f"{term.coefficient:.3g}{'' if term.name == 'fixed' else f' x {term.unit}'}"
        for term in model.terms
        if term.coefficient
    )
    errors = "its error is not known: without a target, the others do not say what that target's size costs"
    if model.median_error is not None and model.largest_error is not None:
        targets = len({p.target for p in model.points if p.predicted is not None})
        errors = (
            f"{counted(targets, 'target')}, each left out with all its measurements: missed by "
            f"{model.median_error:.0%} (median) and {model.largest_error:.0%} (most)"
        )
    rows = [
        (
            p.strategy,
            p.target,
            p.link or "disk",
            f"{p.measured:.2f}",
            "" if p.predicted is None else f"{p.predicted:.2f}",
            "" if p.predicted is None or not p.measured else f"{(p.predicted - p.measured) / p.measured:+.0%}",
        )
        for p in model.points
    ]
    after = (f"Start of the server and first token, added to forecasts: {model.after_seconds:.2f} s.",)
    headings = ("strategy", "target", "link", "measured, s", "predicted without the target, s", "error")
    return _Section("Link model", f"Installation, s = {terms}; {errors}.", headings, rows, after)


def _beyond(forecast: Forecast, largest_installed: int) -> str:
    """Return how far a forecast goes beyond what was measured, an empty text where it does not."""
    times = forecast.installed_bytes / max(1, largest_installed)
    return f"; {times:.0f} times the size of the largest that was measured" if times >= 2 else ""


def _decisions(result: StrategiesResult, profiles: Sequence[DeploymentProfile]) -> _Section:
    rules = [
        f"{p.name}: {', then '.join(p.minimise)} within {p.within:g}; network {p.network}"
        f"{f' ({p.link})' if p.link else ''}{f', mirror at {p.near_link}' if p.near_link else ''}"
        f"{', compiler' if p.compiler else ''}"
        f"{f', product may grow by {size_text(p.most_product_bytes)}' if p.most_product_bytes is not None else ''}"
        f"{f', room for {size_text(p.most_disk_bytes)}' if p.most_disk_bytes is not None else ''}"
        f"; seconds {'with the model, forecasts without it' if p.model_counts else 'without the model'}"
        for p in profiles
    ]
    rows = [(d.title, d.target, d.chosen or "none", _cost_of(d), d.why) for d in result.decisions]
    headings = ("profile", "target", "default", "costs", "why")
    return _Section("Default strategy by deployment profile", "", headings, rows, tuple(rules))


def _cost_of(decision: Decision) -> str:
    option = next((o for o in decision.options if o.strategy == decision.chosen), None)
    return "" if option is None else ", ".join(_figures(option))


def _figures(option: Option) -> tuple[str, ...]:
    if option.seconds is None:
        return ("not measured",)
    mark = " (forecast)" if option.forecast else ""
    return (
        f"{option.seconds:.1f} s{mark}",
        f"{size_text(option.transfer_bytes or 0)} travel",
        f"{size_text(option.product_bytes or 0)} in the product",
        f"{size_text(option.disk_bytes or 0)} on the disk",
    )


def _costs(decisions: Sequence[Decision]) -> _Section:
    rows = [
        (d.profile, d.target, o.strategy, "" if o.refused else o.link or "disk", o.refused or ", ".join(_figures(o)))
        for d in decisions
        for o in d.options
    ]
    return _Section("What every strategy would cost there", "", ("profile", "target", "strategy", "link", ""), rows)


def _load(measurement: Measurement) -> str:
    loads = [run.load for run in measurement.runs if run.load is not None]
    return f"{min(loads):.1f} to {max(loads):.1f}" if loads else ""


def _spread(found: Spread) -> str:
    return f"{found.median:.2f} ({found.lowest:.2f} to {found.highest:.2f})"
