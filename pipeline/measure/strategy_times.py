"""What a bench of strategies measured and forecast, as a report draws it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.counts import counted, listed
from pipeline.model.footprint import StrategyTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.model.strategies import StrategiesResult


def strategy_times(result: StrategiesResult) -> tuple[StrategyTime, ...]:
    """Return the time to the first token of each strategy, in milliseconds: median and extremes, the model left out.

    Forecasts know nothing of a model, so neither do these: what stands beside each other is comparable.
    """
    measured = [
        StrategyTime(
            target=one.target,
            version=one.version,
            strategy=one.strategy,
            link=one.link or "",
            milliseconds=_milliseconds(one.without_model.median),
            least=_milliseconds(one.without_model.lowest),
            most=_milliseconds(one.without_model.highest),
        )
        for one in result.measurements
    ]
    forecast = [
        StrategyTime(
            target=one.target,
            version=one.version,
            strategy=one.strategy,
            link=one.link or "",
            milliseconds=_milliseconds(one.seconds),
            least=None if one.lowest is None else _milliseconds(one.lowest),
            most=None if one.highest is None else _milliseconds(one.highest),
            forecast=True,
        )
        for one in result.forecasts
        if one.seconds is not None
    ]
    return (*measured, *forecast)


def left_out_text(given: Sequence[StrategyTime], drawn: Sequence[StrategyTime]) -> str:
    """Return which times a report does not draw, since they are of no bundle that it is about; empty for none."""
    left_out = [one for one in given if one not in drawn]
    if not left_out:
        return ""
    names = sorted({f"{one.target} {one.version}" for one in left_out})
    return f"{counted(len(left_out), 'strategy time')} not drawn, of no bundle of this report: {listed(names)}"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
