"""Bundles beside their budgets, and beside an earlier release: what is over, and by how much. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.measure.comparing import mandatory
from pipeline.model.budget_verdict import BudgetVerdict, Figure
from pipeline.model.budgets import Budgets, SizeLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.model.budget_verdict import Measure
    from pipeline.model.budgets import AllowedGrowth, BundleBudget
    from pipeline.model.manifest import Artifact, Layer

    Baselines = Mapping[str, Artifact]
    """Target to the bundle that its new one is compared with."""

_NONE = Budgets()


class _Measured(NamedTuple):
    """One thing of a bundle: of a layer, or of all of it."""

    layer: str | None
    measure: Measure
    actual: int


def judge(
    artifacts: Sequence[Artifact], budgets: Mapping[str, Budgets], baselines: Baselines | None = None
) -> BudgetVerdict:
    """Compare bundles with what their recipes allow; nothing is said of a rehearsal, in which there is no engine.

    Args:
        artifacts: to compare.
        budgets: engine to its budgets.
        baselines: None when there is nothing to compare with; a bundle that is not in it has no earlier release.
    """
    real = [artifact for artifact in artifacts if not artifact.rehearsal]
    figures: list[Figure] = []
    for artifact in real:
        asked = budgets.get(artifact.engine, _NONE)
        figures += _beside_budget(artifact, asked)
        if baselines is not None and (baseline := baselines.get(artifact.target)) is not None:
            figures += _beside_baseline(artifact, baseline, asked)
    return BudgetVerdict(
        figures=tuple(figures),
        without_budget=tuple(
            _named(artifact) for artifact in real if not tables_of(artifact, budgets.get(artifact.engine, _NONE))
        ),
        without_baseline=()
        if baselines is None
        else tuple(_named(artifact) for artifact in real if artifact.target not in baselines),
    )


def tables_of(artifact: Artifact, budgets: Budgets) -> tuple[BundleBudget, ...]:
    """Return the tables that are of a bundle."""
    short = f"{artifact.platform}-{artifact.accel}"
    return tuple(table for table in budgets.bundles if table.origin in {None, artifact.origin} and table.names(short))


def _beside_budget(artifact: Artifact, budgets: Budgets) -> Iterator[Figure]:
    tables, added = tables_of(artifact, budgets), budgets.web_ui if artifact.web_ui else SizeLimits()
    sizes = (_Measured(None, "download", artifact.size), _Measured(None, "installed", artifact.installed_size))
    limits: list[tuple[_Measured, int | None]] = list(zip(sizes, _allowed(tables, added), strict=True))
    proof = artifact.proof
    if proof.runner is None:  # under an emulator the times say nothing of the bundle
        if proof.ready_milliseconds is not None:
            measured = _Measured(None, "ready", proof.ready_milliseconds)
            limits.append((measured, _least(table.ready_milliseconds for table in tables)))
        if proof.resident_bytes is not None:
            measured = _Measured(None, "resident", proof.resident_bytes)
            limits.append((measured, _least(table.resident_bytes for table in tables)))
    for layer in mandatory(artifact):
        asked = [table.layers[layer.name] for table in tables if layer.name in table.layers]
        more = added if layer.role == "core" else SizeLimits()
        limits += zip(_sizes(layer), _allowed(asked, more), strict=True)
    for measured, limit in limits:
        if limit is not None:
            yield _figure(artifact, measured, limit)


def _beside_baseline(artifact: Artifact, baseline: Artifact, budgets: Budgets) -> Iterator[Figure]:
    growth = _growth_of(artifact, budgets)
    if growth is None:
        return
    then = {layer.name: layer for layer in mandatory(baseline)}
    pairs = [
        (_Measured(None, "download", artifact.size), baseline.size),
        (_Measured(None, "installed", artifact.installed_size), baseline.installed_size),
    ]
    for layer in mandatory(artifact):
        if (before := then.get(layer.name)) is not None and before.tree_sha256 != layer.tree_sha256:
            download, installed = _sizes(layer)
            pairs += [(download, before.size), (installed, before.installed_size)]
    for measured, was in pairs:
        yield _figure(artifact, measured, growth.limit(was), before=was)


def _sizes(layer: Layer) -> tuple[_Measured, _Measured]:
    return _Measured(layer.name, "download", layer.size), _Measured(layer.name, "installed", layer.installed_size)


def _growth_of(artifact: Artifact, budgets: Budgets) -> AllowedGrowth | None:
    """Return what is allowed: of the first table that says it, else of the engine."""
    own = (table.growth for table in tables_of(artifact, budgets) if table.growth is not None)
    return next(own, budgets.growth)


def _figure(artifact: Artifact, measured: _Measured, limit: int, *, before: int | None = None) -> Figure:
    return Figure(
        target=artifact.target,
        version=artifact.version,
        layer=measured.layer,
        measure=measured.measure,
        actual=measured.actual,
        limit=limit,
        kind="budget" if before is None else "growth",
        before=before,
    )


def _allowed(asked: Sequence[SizeLimits], added: SizeLimits) -> tuple[int | None, int | None]:
    """Return what may be downloaded and installed: the least of the limits, and what is added to it."""
    download = _least(limits.download_bytes for limits in asked)
    installed = _least(limits.installed_bytes for limits in asked)
    return (
        None if download is None else download + (added.download_bytes or 0),
        None if installed is None else installed + (added.installed_bytes or 0),
    )


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _named(artifact: Artifact) -> str:
    return f"{artifact.target} {artifact.version}"
