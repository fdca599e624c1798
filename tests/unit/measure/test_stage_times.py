from __future__ import annotations

import json

import pytest

from pipeline.measure.stage_times import EventCollector, TimedEvent, stage_times


def started(seconds: float, step: str) -> TimedEvent:
    return TimedEvent(seconds, {"event": "step_started", "step": step})


def finished(seconds: float, step: str) -> TimedEvent:
    return TimedEvent(seconds, {"event": "step_finished", "step": step})


def brought(seconds: float, step: str, done: int) -> TimedEvent:
    return TimedEvent(seconds, {"event": "step_progress", "step": step, "unit": "bytes", "done": done})


def times(*events: TimedEvent, end: float) -> dict[str, float]:
    found = stage_times(events, end_seconds=end, first="start", rest="assemble", last="switch")
    assert sum(stage.seconds for stage in found) == pytest.approx(end)
    return {stage.stage: stage.seconds for stage in found}


def test_every_moment_of_a_command_belongs_to_one_stage():
    found = times(
        started(0.5, "trust"),
        finished(0.6, "trust"),
        started(1.0, "download layer core"),
        finished(3.0, "download layer core"),
        started(3.0, "unpack layer core"),
        finished(4.0, "unpack layer core"),
        started(4.0, "assemble"),
        finished(4.5, "assemble"),
        started(4.5, "check b1"),
        finished(5.0, "check b1"),
        end=5.25,
    )
    assert found == {
        "start": 0.5,
        "trust": 0.5,  # what is read after the step, before the first layer, is trust too
        "download": 2.0,
        "unpack": 1.0,
        "assemble": 0.5,
        "check": 0.5,
        "switch": 0.25,
    }


def test_unpacking_beside_a_download_costs_nothing():
    found = times(
        started(0, "download layer core"),
        started(1, "unpack layer cpu"),
        finished(2, "unpack layer cpu"),
        finished(3, "download layer core"),
        started(3, "unpack layer core"),
        finished(4, "unpack layer core"),
        end=4,
    )
    assert (found["download"], found["unpack"]) == (3, 1)


def test_a_step_that_is_over_within_a_millisecond_does_not_take_what_follows():
    """Times are told in whole milliseconds, so it begins and ends at once."""
    found = times(
        started(0.5, "trust"),
        finished(0.5, "trust"),
        started(0.5, "download layer core"),
        finished(3.0, "download layer core"),
        started(3.0, "unpack layer core"),
        finished(4.0, "unpack layer core"),
        end=4.0,
    )
    assert found == {"start": 0.5, "trust": 0.0, "download": 2.5, "unpack": 1.0, "switch": 0.0}


def test_a_command_without_steps_is_all_start():
    assert times(end=2.0) == {"start": 2.0}


def test_a_step_that_fails_ends_there():
    failed = TimedEvent(1.0, {"event": "step_failed", "step": "trust"})
    assert times(started(0.0, "trust"), failed, end=2.0) == {"start": 0.0, "trust": 1.0, "switch": 1.0}


def test_bytes_of_downloads_are_added_up_over_layers():
    events = (
        started(0, "download layer core"),
        brought(1, "download layer core", 10),
        brought(2, "download layer core", 50),
        brought(2, "download layer cpu", 7),
        finished(3, "download layer core"),
    )
    found = stage_times(events, end_seconds=3, first="start", rest="assemble", last="switch")
    assert {stage.stage: stage.bytes for stage in found}["download"] == 57


def test_steps_of_a_build_are_source_compile_and_the_rest():
    events = (
        started(0, "source llama.cpp b1"),
        finished(1, "source llama.cpp b1"),
        started(1, "compile llama.cpp b1 linux-x86_64 core"),
        finished(5, "compile llama.cpp b1 linux-x86_64 core"),
        started(5, "layer llama.cpp b1 linux-x86_64 core"),
        finished(6, "layer llama.cpp b1 linux-x86_64 core"),
        started(6, "prove llama.cpp/linux-x86_64-cpu b1"),
        finished(7, "prove llama.cpp/linux-x86_64-cpu b1"),
    )
    found = stage_times(events, end_seconds=8, first="start", rest="pack", last="pack")
    assert {stage.stage: stage.seconds for stage in found} == {
        "start": 0,
        "source": 1,
        "compile": 4,
        "pack": 2,
        "check": 1,
    }


def test_events_are_set_on_the_clock_of_who_started_the_command():
    now = 0.75
    collector = EventCollector(now=lambda: now)
    collector.take(json.dumps({"event": "step_started", "elapsed_seconds": 0.25, "step": "trust"}))
    now = 9.0  # a line that is read late
    collector.take(json.dumps({"event": "step_finished", "elapsed_seconds": 1.0, "step": "trust"}))
    assert [event.seconds for event in collector.events] == [0.75, 1.5]


def test_the_result_is_told_from_events_and_warnings():
    collector = EventCollector(now=lambda: 0.0)
    for line in ("warning: {", "{", '  "path": "/x"', "}", "warning: late"):
        collector.take(line)
    assert collector.document() == {"path": "/x"}


@pytest.mark.parametrize("lines", [(), ("{",), ("{", "no json", "}")])
def test_a_command_that_printed_no_result_has_an_empty_one(lines):
    collector = EventCollector(now=lambda: 0.0)
    for line in lines:
        collector.take(line)
    assert collector.document() == {}
