"""Measurements that tests make, of times that they know."""

from __future__ import annotations

from pipeline.measure.spread import spread, stage_spreads
from pipeline.model.strategy_runs import LinkProfile, Measurement, StageTime, Strategy, StrategyRun

LAN = LinkProfile(name="lan", title="LAN", bits_per_second=1_000_000_000, round_trip_ms=0.5, loss=0.0)
FAST = LinkProfile(name="100mbit", title="fast", bits_per_second=100_000_000, round_trip_ms=20.0, loss=0.0)
SLOW = LinkProfile(name="20mbit", title="slow", bits_per_second=20_000_000, round_trip_ms=80.0, loss=0.005)
LINKS = {link.name: link for link in (LAN, FAST, SLOW)}
TARGET = "llama.cpp/linux-x86_64-avx2"


def run(machine_load: float = 1.0, **seconds: float) -> StrategyRun:
    """Return a run of these stages, in this order; ``first_token`` stands for ``first-token``."""
    stages = tuple(StageTime(stage=name.replace("_", "-"), seconds=value) for name, value in seconds.items())
    return StrategyRun(stages=stages, load=machine_load, disk_bytes=1000)


def measurement(
    strategy: Strategy,
    link: str | None,
    *runs: StrategyRun,
    target: str = TARGET,
    **sizes: int,
) -> Measurement:
    """Return a measurement of these runs."""
    fields = {"download_bytes": 5_000_000, "installed_bytes": 16_000_000, "product_bytes": 0, "model_bytes": 0}
    return Measurement(
        strategy=strategy,
        target=target,
        version="b1",
        link=link,
        runs=runs,
        stages=stage_spreads(runs),
        total=spread(r.total_seconds for r in runs),
        without_model=spread(r.seconds_without_model for r in runs),
        **({"disk_bytes": 16_000_000} | fields | sizes),
    )
