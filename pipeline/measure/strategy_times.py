"""What a bench of strategies measured and forecast, as a report draws it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.footprint import StrategyTime

if TYPE_CHECKING:
    from pipeline.model.strategies import StrategiesResult


def strategy_times(result: StrategiesResult) -> tuple[StrategyTime, ...]:
    """Return the time to the first token of each strategy, in milliseconds: median and extremes, the model left out.

    Forecasts know nothing of a model, so neither do these: what stands beside each other is comparable.
    """
    measured = [
        StrategyTime(
            target=one.target,
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
            strategy=one.strategy,
            link=one.link or "",
            milliseconds=_milliseconds(one.seconds),
            least=_milliseconds(one.lowest),
            most=_milliseconds(one.highest),
            forecast=True,
        )
        for one in result.forecasts
    ]
    return (*measured, *forecast)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
