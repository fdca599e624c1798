from __future__ import annotations

import pytest

from pipeline.events import StepProgress
from pipeline.reporting.figures import Pace, amount, duration, pace, progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (3725, "1 h 02 min")],
)
def test_a_duration_is_as_exact_as_it_matters(seconds, text):
    assert duration(seconds) == text


def test_bytes_are_decimal_and_anything_else_is_counted():
    assert amount(37_386_587, "bytes") == "37.4 MB"
    assert amount(280, "objects") == "280 objects"


def test_progress_names_the_share_where_the_total_is_known():
    assert progress(StepProgress("s", 120, 522, "objects")) == "120 of 522 objects (22 %)"
    assert progress(StepProgress("s", 12_000_000, None, "bytes")) == "12.0 MB"


def test_a_total_of_nothing_is_done():
    assert progress(StepProgress("s", 0, 0, "files")) == "0 of 0 files (100 %)"


def test_a_pace_tells_rate_and_time_left():
    found = Pace()
    found.add(0.0, 0)
    found.add(2.0, 4_000_000)
    assert found.per_second() == 2_000_000
    assert found.seconds_left(10_000_000) == 3.0
    assert pace(found, StepProgress("s", 4_000_000, 10_000_000, "bytes")) == "2.0 MB/s, 3.0 s left"


def test_objects_have_time_left_but_no_rate():
    found = Pace()
    found.add(0.0, 0)
    found.add(10.0, 50)
    assert pace(found, StepProgress("s", 50, 100, "objects")) == "10 s left"


def test_one_report_tells_nothing():
    found = Pace()
    found.add(5.0, 100)
    assert found.per_second() is None
    assert pace(found, StepProgress("s", 100, 200, "bytes")) == ""


def test_a_stall_shows_although_the_beginning_was_fast():
    found = Pace()
    found.add(0.0, 0)
    found.add(1.0, 1_000_000)
    for second in range(2, 40):
        found.add(float(second), 1_000_000)
    assert found.per_second() == 0
    assert found.seconds_left(2_000_000) is None


def test_a_step_that_begins_anew_is_timed_anew():
    found = Pace()
    found.add(0.0, 0)
    found.add(10.0, 900)
    found.add(11.0, 0)
    found.add(12.0, 100)
    assert found.per_second() == 100
