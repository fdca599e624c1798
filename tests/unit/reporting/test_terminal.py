from __future__ import annotations

import io

import pytest

from pipeline.events import Notice, StepFailed, StepFinished, StepProgress, StepReused, StepStarted
from pipeline.reporting.terminal import TerminalSink
from tests.simulators.hand_clock import HandClock


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)


def draw(*events, verbosity: str = "normal", color: bool = False) -> str:
    stream, clock = Terminal(), HandClock()
    sink = TerminalSink(stream, clock, verbosity=verbosity, color=color)
    for event in events:
        sink.emit(event)
        clock.sleep(1)
    sink.close()
    return stream.getvalue()


def test_a_running_step_shows_objects_and_time_left():
    text = draw(
        StepStarted("compile core"),
        StepProgress("compile core", 0, 522, "objects"),
        StepProgress("compile core", 174, 522, "objects", detail="repack.cpp"),
    )
    assert "compile core" in text
    assert "174 of 522 objects (33 %), 2.0 s left" in text
    assert "repack.cpp" in text


def test_bytes_have_a_rate():
    text = draw(StepProgress("model", 0, 50_000_000, "bytes"), StepProgress("model", 5_000_000, 50_000_000, "bytes"))
    assert "5.0 MB of 50.0 MB (10 %), 5.0 MB/s, 9.0 s left" in text


def test_a_finished_step_leaves_one_plain_line():
    text = draw(StepStarted("compile"), StepFinished("compile", 75.2, "280 objects"))
    assert "  done    compile in 1 min 15 s: 280 objects\n" in text


def test_names_with_square_brackets_are_shown_as_they_are():
    assert "model [bold]x[/bold]" in draw(StepStarted("model [bold]x[/bold]"), StepFailed("model [bold]x[/bold]", "m"))


def test_quiet_shows_warnings_alone():
    text = draw(StepReused("s", "k"), StepProgress("s", 1, 2, "files"), Notice("w", "warning"), verbosity="quiet")
    assert text == "warning: w\n"


def test_no_colour_means_no_colour():
    assert "\x1b[32m" not in draw(StepFinished("s", 1.0))
    assert "\x1b[32m" in draw(StepFinished("s", 1.0), color=True)


def test_the_cursor_is_given_back():
    text = draw(StepStarted("s"))
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
