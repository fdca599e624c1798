"""``bench strategies`` as a whole: prepare, run, put together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.events import StepFinished, StepStarted
from pipeline.measure.bench_commands import BenchCommands
from pipeline.measure.bench_preparing import prepare
from pipeline.measure.strategy_bench import StrategyBench
from pipeline.measure.strategy_result import strategies_result
from pipeline.measure.strategy_running import Runner

if TYPE_CHECKING:
    from pipeline.measure.bench_request import BenchRequest
    from pipeline.model.strategies import StrategiesResult
    from pipeline.ports import Services
    from pipeline.ports.links import BenchGround


def measure(request: BenchRequest, *, services: Services, ground: BenchGround) -> StrategiesResult:
    """Measure what was asked for; what fails is listed in the result, and the rest goes on.

    Everything happens in one folder below ``request.scratch``, which is gone at the end, as are links and servers, also
    when this process is interrupted or killed.

    Raises:
        PipelineError: nothing could be measured; the first failure, or as ``prepare``.
    """
    with ground.folder(request.scratch) as folder:
        commands = BenchCommands(
            folder,
            ground=ground,
            services=services,
            package_dir=request.package_dir,
            environment=request.environment,
        )
        services.events.emit(StepStarted("prepare"))
        began = services.clock.monotonic()
        prepared = prepare(request, folder, commands=commands, ground=ground)
        services.events.emit(StepFinished("prepare", services.clock.monotonic() - began))
        bench = StrategyBench(request, prepared, Runner(commands, ground, services, prepared.model))
        found = bench.run()
        if not found.runs and found.failures:
            raise next(iter(found.failures.values()))
        return strategies_result(
            request,
            prepared,
            found,
            machine=ground.machine(),
            measured_at=datetime.fromtimestamp(services.clock.now_seconds(), UTC).isoformat().replace("+00:00", "Z"),
        )
