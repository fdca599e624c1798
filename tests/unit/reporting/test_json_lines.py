from __future__ import annotations

import io
import json
import threading

import pytest

from pipeline.events import Notice, StepFailed, StepFinished, StepProgress, StepReused, StepStarted
from pipeline.reporting.fanout import FanOut
from pipeline.reporting.json_lines import JsonLinesSink
from tests.simulators.hand_clock import HandClock


class KeptText(io.StringIO):
    """Text that can still be read when its writer has closed it."""

    text = ""

    def close(self) -> None:
        self.text = self.getvalue()
        super().close()


def test_an_event_is_one_object_with_its_time_and_its_own_fields():
    clock, stream = HandClock(1_700_000_000.0), io.StringIO()
    sink = JsonLinesSink(stream, clock)
    clock.sleep(1.5)
    sink.emit(StepProgress("compile", 3, 10, "objects", detail="a.cpp"))
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {
            "event": "step_progress",
            "time": "2023-11-14T22:13:21Z",
            "elapsed_seconds": 1.5,
            "step": "compile",
            "done": 3,
            "total": 10,
            "unit": "objects",
            "detail": "a.cpp",
        }
    ]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (StepStarted("s"), "step_started"),
        (StepReused("s", "k"), "step_reused"),
        (StepFinished("s", 1.0), "step_finished"),
        (StepFailed("s", "m"), "step_failed"),
        (Notice("m"), "notice"),
    ],
)
def test_every_event_has_its_name_from_the_contract(event, name):
    stream = io.StringIO()
    JsonLinesSink(stream, HandClock()).emit(event)
    assert json.loads(stream.getvalue())["event"] == name


def test_events_of_many_threads_stay_whole_lines():
    stream = KeptText()
    sink = JsonLinesSink(stream, HandClock())
    threads = [threading.Thread(target=lambda: [sink.emit(Notice("x" * 200)) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    assert [json.loads(line)["message"] for line in stream.text.splitlines()] == ["x" * 200] * 400


def test_nothing_is_written_after_the_end():
    stream = KeptText()
    sink = JsonLinesSink(stream, HandClock())
    sink.close()
    sink.emit(Notice("late"))
    assert stream.text == ""


def test_a_fan_out_hands_every_event_to_every_sink_and_closes_all():
    streams = [KeptText(), KeptText()]
    sink = FanOut(*(JsonLinesSink(stream, HandClock()) for stream in streams))
    sink.emit(Notice("m"))
    sink.close()
    assert streams[0].text == streams[1].text != ""
