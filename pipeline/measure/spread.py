"""Median and spread of what several runs had."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, get_args

from pipeline.model.strategy_runs import Spread, StageName, StageSpread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.model.strategy_runs import StrategyRun

STAGES: tuple[StageName, ...] = get_args(StageName)


def spread(values: Iterable[float]) -> Spread:
    """Return median, lowest and highest of at least one value, in thousandths."""
    found = [round(value, 3) for value in values]
    return Spread(median=round(statistics.median(found), 3), lowest=min(found), highest=max(found))


def stage_spreads(runs: Sequence[StrategyRun]) -> tuple[StageSpread, ...]:
    """Return each stage that any run had, in the order of stages; a run without it counts as none of it."""
    found = []
    for name in STAGES:
        times = [[stage for stage in run.stages if stage.stage == name] for run in runs]
        if any(times):
            seconds = spread(sum(stage.seconds for stage in stages) for stages in times)
            size = round(statistics.median(sum(stage.bytes for stage in stages) for stages in times))
            found.append(StageSpread(stage=name, seconds=seconds, bytes=size))
    return tuple(found)
