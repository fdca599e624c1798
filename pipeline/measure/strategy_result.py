"""From runs to the document: medians and spreads, the link model, forecasts, decisions."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.measure.bench_request import near_links
from pipeline.measure.decisions import decide, known
from pipeline.measure.forecasts import again, disk_ratio, download_bytes, forecasts, of_manifests
from pipeline.measure.link_model import fit_link_model, shapes_of
from pipeline.measure.spread import spread, stage_spreads
from pipeline.measure.strategy_bench import Key
from pipeline.model.counts import counted
from pipeline.model.strategies import StrategiesResult
from pipeline.model.strategy_runs import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.measure.bench_request import BenchRequest, ModelFile, Prepared
    from pipeline.measure.strategy_bench import Found
    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.model.profiles import DeploymentProfile, Profiles
    from pipeline.model.strategies import BenchMachine, Forecast
    from pipeline.model.strategy_runs import LinkProfile

_ON_THE_SPOT, _AND = "made on the spot by the engine", " and "


def strategies_result(
    request: BenchRequest, prepared: Prepared, found: Found, *, machine: BenchMachine, measured_at: str
) -> StrategiesResult:
    """Return the document of a bench, without decisions; ``decided`` adds those."""
    artifacts = {artifact.target: artifact for artifact in prepared.measured}
    measurements = tuple(
        _measurement(key, found, artifacts[key.target], request=request, model=prepared.model)
        for key in sorted(found.runs, key=lambda key: _order(key, request))
    )
    links: Mapping[str, LinkProfile] = {link.profile.name: link.profile for link in found.links}
    model = fit_link_model(measurements, links)
    return StrategiesResult(
        measured_at=measured_at,
        machine=machine,
        versions=dict(request.versions),
        model=_model_in_words(prepared),
        links=tuple(found.links),
        measurements=measurements,
        failures=tuple(f"{key}: {error.message}" for key, error in found.failures.items()),
        link_model=model,
        forecasts=()
        if model is None
        else forecasts(
            prepared.forecast,
            model,
            seen=shapes_of(measurements, links),
            links=links.values(),
            near_links=request.near_links,
            ratio=disk_ratio(measurements),
        ),
    )


def joined(results: Sequence[StrategiesResult]) -> StrategiesResult:
    """Return one document of some that were measured on one machine: what two of them have is the later one's.

    The link model is fitted anew on all of it, also of one document, and forecasts are made by that.

    Raises:
        UsageError: they are of several machines, or what has one name in them is not the same: a link, what made it,
            the version of a target or of a program, the model.
    """
    ordered = sorted(results, key=lambda result: result.measured_at)
    last = ordered[-1]
    _require_alike(ordered)
    measurements: dict[Key, Measurement] = {}
    old: dict[Key, Forecast] = {}
    failures: list[str] = []
    for result in ordered:
        measured = {Key(m.strategy, m.target, m.link): m for m in result.measurements}
        measurements |= measured
        old |= {Key(f.strategy, f.target, f.link): f for f in result.forecasts}
        mended = tuple(f"{key}: " for key in measured)
        failures = [failure for failure in failures if not failure.startswith(mended)]
        failures += [failure for failure in result.failures if failure not in failures]
    links = {link.profile.name: link for result in reversed(ordered) for link in result.links}
    profiles = {name: link.profile for name, link in links.items()}
    model = fit_link_model(list(measurements.values()), profiles)
    seen = shapes_of(measurements.values(), profiles)
    kept = [forecast for key, forecast in old.items() if key not in measurements]
    return last.model_copy(
        update={
            "links": tuple(links.values()),
            "measurements": tuple(measurements.values()),
            "failures": tuple(failures),
            "link_model": model,
            "forecasts": () if model is None else again(kept, model, profiles, seen=seen),
            "model": _together(ordered),
            "versions": {name: version for result in ordered for name, version in result.versions.items()},
        }
    )


def _require_alike(results: Sequence[StrategiesResult]) -> None:
    machine = results[0].machine
    if any(result.machine != machine for result in results):
        raise UsageError("these results are of several machines", hint="read those of one machine together")
    there: dict[tuple[str, str], object] = {}
    for result in results:
        named: list[tuple[tuple[str, str], object]] = [
            *((("the link", link.profile.name), link.profile) for link in result.links),
            *((("what made the link", link.profile.name), link.maker) for link in result.links),
            *((("the version of", one.target), one.version) for one in result.measurements),
            *((("the version of", one.target), one.version) for one in result.forecasts),
            *((("the version of", name), version) for name, version in result.versions.items()),
            *((("the model", "that engines were asked with"), word) for word in _named_models(result)),
        ]
        for name, value in named:
            first = there.setdefault(name, value)
            if first != value:
                shown = f": {first} and {value}" if isinstance(value, str) else ""
                raise UsageError(
                    f"{' '.join(name)} is not the same in these results{shown}",
                    hint="read results that are alike together, or measure again",
                )


def _named_models(result: StrategiesResult) -> list[str]:
    """Return the model file that engines were asked with, if there was one."""
    named = result.model.removesuffix(_AND + _ON_THE_SPOT).removeprefix(_ON_THE_SPOT + _AND)
    return [] if named == _ON_THE_SPOT else [named]


def _together(results: Sequence[StrategiesResult]) -> str:
    made = [_ON_THE_SPOT] if any(_ON_THE_SPOT in result.model for result in results) else []
    return _AND.join(dict.fromkeys([*(word for result in results for word in _named_models(result)), *made]))


def forecast_too(result: StrategiesResult, manifests: Sequence[Manifest], profiles: Profiles) -> StrategiesResult:
    """Return the document with forecasts of what manifests have besides."""
    model, links = result.link_model, [link.profile for link in result.links]
    if model is None:
        return result
    there = {m.target for m in result.measurements} | {f.target for f in result.forecasts}
    near = near_links(profiles, links)
    ratio = disk_ratio(result.measurements)
    seen = shapes_of(result.measurements, {link.name: link for link in links})
    more = forecasts(of_manifests(manifests, there), model, seen=seen, links=links, near_links=near, ratio=ratio)
    return result.model_copy(update={"forecasts": (*result.forecasts, *more)})


def decided(result: StrategiesResult, profiles: Sequence[DeploymentProfile]) -> StrategiesResult:
    """Return the document with the decisions of some profiles, made anew from its figures."""
    costs = known(result.measurements, result.forecasts)
    return result.model_copy(update={"decisions": decide(profiles, costs)})


def _order(key: Key, request: BenchRequest) -> tuple[str, int, int]:
    names = [link.name for link in request.links]
    return (key.target, request.strategies.index(key.strategy), names.index(key.link) if key.link else -1)


def _measurement(
    key: Key, found: Found, artifact: Artifact, *, request: BenchRequest, model: ModelFile | None
) -> Measurement:
    runs = found.runs[key]
    model_bytes = 0 if model is None or (artifact.health and artifact.health.model_args) else model.size_bytes
    builds = key.strategy.startswith("self-built")
    stages = stage_spreads(runs)
    brought = sum(stage.bytes for stage in stages if stage.stage == "source")
    size = download_bytes(artifact)
    return Measurement(
        strategy=key.strategy,
        target=key.target,
        version=artifact.version,
        link=key.link,
        runs=tuple(runs),
        stages=stages,
        total=spread(run.total_seconds for run in runs),
        without_model=spread(run.seconds_without_model for run in runs),
        download_bytes=brought if builds else size,
        installed_bytes=artifact.installed_size,
        product_bytes=size if key.strategy == "bundled" else 0,
        disk_bytes=round(statistics.median(run.disk_bytes for run in runs)),
        model_bytes=model_bytes,
        prepared_seconds=found.prepared_seconds.get(key, 0.0),
        notes=tuple(_notes(key, artifact, request)),
    )


def _notes(key: Key, artifact: Artifact, request: BenchRequest) -> list[str]:
    notes = []
    if artifact.health and artifact.health.model_args:
        notes.append("the model is a small one that the bundle makes on the spot: nothing of it travels")
    elif key.strategy == "bundled":
        notes.append("the model lies on the disk with the product")
    if key.strategy in {"self-built", "self-built-warm"}:
        notes.append("compilers, and the programs that build with them, are there; they count nowhere")
        if key.link is None:
            notes.append("packages come from the configured channels and index, over no link of this bench")
        if request.build_runs < request.runs:
            notes.append(f"{counted(request.build_runs, 'run')}, where the others have {request.runs}")
    return notes


def _model_in_words(prepared: Prepared) -> str:
    model = prepared.model
    return _ON_THE_SPOT if model is None else f"{model.name} sha256:{model.sha256}"
