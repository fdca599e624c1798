from __future__ import annotations

import io

import pytest

from pipeline.events import Notice, StepFailed, StepFinished, StepProgress, StepReused, StepStarted
from pipeline.reporting.lines import LinesSink
from tests.simulators.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def sink(clock: HandClock, verbosity: str = "normal") -> tuple[LinesSink, io.StringIO]:
    stream = io.StringIO()
    return LinesSink(stream, clock, verbosity=verbosity), stream


def test_a_step_has_a_line_where_it_starts_and_where_it_ends(clock):
    lines, stream = sink(clock)
    lines.emit(StepStarted("compile core", why="new"))
    lines.emit(StepFinished("compile core", 75.2, "280 objects"))
    lines.emit(StepReused("source", "k"))
    lines.emit(StepFailed("prove", "broken"))
    assert stream.getvalue().splitlines() == [
        "  start   compile core (new)",
        "  done    compile core in 1 min 15 s: 280 objects",
        "  reused  source",
        "  failed  prove",
    ]


def test_progress_is_said_every_ten_seconds_at_most(clock):
    lines, stream = sink(clock)
    lines.emit(StepStarted("s"))
    for _ in range(100):
        clock.sleep(0.5)
        lines.emit(StepProgress("s", 1, 1000, "objects"))
    assert len(stream.getvalue().splitlines()) == 1 + 5


def test_a_tenth_of_the_way_is_said_earlier_but_never_twice_a_second(clock):
    lines, stream = sink(clock)
    lines.emit(StepStarted("s"))
    for done in range(0, 1001, 10):
        clock.sleep(1 / 16)
        lines.emit(StepProgress("s", done, 1000, "objects"))
    said = stream.getvalue().splitlines()[1:]
    assert len(said) == 6  # six seconds of work
    assert said[0].startswith("  ...     s: ")


def test_a_line_of_progress_has_figures_pace_and_detail(clock):
    lines, stream = sink(clock)
    lines.emit(StepStarted("s"))
    lines.emit(StepProgress("s", 0, 100, "bytes"))
    clock.sleep(10)
    lines.emit(StepProgress("s", 50, 100, "bytes", detail="a.cpp"))
    assert (
        stream.getvalue().splitlines()[-1] == "  ...     s: 50 bytes of 100 bytes (50 %), 5 bytes/s, 10 s left, a.cpp"
    )


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [("quiet", ["warning: w"]), ("normal", ["i", "warning: w"]), ("verbose", ["d", "i", "warning: w"])],
)
def test_a_warning_is_never_hidden(clock, verbosity, shown):
    lines, stream = sink(clock, verbosity)
    lines.emit(Notice("d", "debug"))
    lines.emit(Notice("i"))
    lines.emit(Notice("w", "warning"))
    assert stream.getvalue().splitlines() == shown


def test_quiet_shows_no_steps(clock):
    lines, stream = sink(clock, "quiet")
    lines.emit(StepStarted("s"))
    lines.emit(StepFinished("s", 1.0))
    assert stream.getvalue() == ""


def test_a_reader_that_has_gone_does_not_stop_the_work(clock):
    lines, stream = sink(clock)
    stream.close()
    lines.emit(StepStarted("s"))
    lines.emit(StepFinished("s", 1.0))
