"""How long steps took, beside the manifest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from pipeline.make.step_log import StepLog, times_document
from pipeline.model.manifest_document import read_document
from pipeline.model.step_times import StepTimes
from tests.simulators.engine_world import Recorder
from tests.simulators.hand_clock import HandClock


def step(name: str, key: str = "a") -> SimpleNamespace:
    return SimpleNamespace(name=name, key=key * 64, targets=("e/b", "e/a"), action=SimpleNamespace(kind="compile"))


def build(clock: HandClock, *, seconds: float | None, key: str = "a") -> StepTimes:
    """Return the times of a build of one step, which was reused where it took nothing."""
    log = StepLog(clock)
    clock.sleep(1.5)
    if seconds is None:
        log.reused(step("compile", key))
    else:
        started = clock.monotonic()
        clock.sleep(seconds)
        log.done(step("compile", key), started=started)
    return log.times()


def written(folder: Path, times: StepTimes) -> StepTimes:
    data = times_document(folder, times, Recorder())
    (folder / "times.json").write_bytes(data)
    return read_document(StepTimes, data, what="times.json")


def test_a_step_says_when_it_began_and_how_long_it_took():
    (time,) = build(HandClock(1_780_000_000.0), seconds=0.25).steps
    assert (time.run, time.start_milliseconds, time.milliseconds) == ("2026-05-28T20:26:40Z", 1500, 250)
    assert time.targets == ("e/a", "e/b")


def test_a_build_that_reuses_a_step_keeps_how_long_it_took(tmp_path):
    clock = HandClock()
    written(tmp_path, build(clock, seconds=90))
    (time,) = written(tmp_path, build(clock, seconds=None)).steps
    assert (time.milliseconds, time.reused) == (90_000, False)


def test_other_work_under_the_same_name_replaces_it(tmp_path):
    clock = HandClock()
    written(tmp_path, build(clock, seconds=90))
    (time,) = written(tmp_path, build(clock, seconds=5, key="b")).steps
    assert time.milliseconds == 5000


def test_what_cannot_be_read_is_replaced_with_a_warning(tmp_path):
    (tmp_path / "times.json").write_text("{]")
    events = Recorder()
    times_document(tmp_path, StepTimes(), events)
    assert [(event.level, "is replaced" in event.message) for event in events.events] == [("warning", True)]
