"""What a build notes of a step that another process made while this one waited."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

from pipeline.make.run import carry_out_plan
from pipeline.make.step_log import StepLog
from pipeline.model.plan import Plan, Step
from pipeline.model.result import StepResult
from tests.simulators.engine_world import services_for
from tests.simulators.footprints import Shelf
from tests.simulators.hand_clock import HandClock
from tests.simulators.stating import action_of

KEY = "a" * 64


class BusyStore:
    """A store whose work folders are held for an hour by another process, which makes the step."""

    def __init__(self, store, clock):
        self._store, self._clock = store, clock

    def __getattr__(self, name):
        return getattr(self._store, name)

    @contextmanager
    def work_dir(self, name, *, keep=False):
        self._clock.sleep(3600)
        self._store.put_result(StepResult(key=KEY))
        with self._store.work_dir(name, keep=keep) as folder:
            yield folder


def test_waiting_for_another_process_is_not_the_time_of_a_step(tmp_path):
    clock = HandClock()
    services = services_for(tmp_path, clock=clock)
    shelf = Shelf()
    action = action_of(shelf.bundle("b1", shelf.layer("core", {"a": "1"})))
    step = Step(name="bundle", action=action, needs=(), key=KEY, targets=("e/a",))
    log = StepLog(clock)
    _, results = carry_out_plan(
        Plan(targets=(), steps=(step,)), replace(services, store=BusyStore(services.store, clock)), log=log
    )
    assert list(results) == ["bundle"]
    assert [(time.reused, time.milliseconds) for time in log.times().steps] == [(True, 0)]
