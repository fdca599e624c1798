from __future__ import annotations

import json
import sys

import pytest

from pipeline.app.events import open_events
from pipeline.app.settings import Settings
from pipeline.errors import UsageError
from pipeline.events import Notice, StepStarted
from tests.simulators.hand_clock import HandClock


def settings(tmp_path, **more) -> Settings:
    return Settings(cache_dir=tmp_path, keys_dir=tmp_path, recipes_dir=tmp_path, **more)


def test_without_a_terminal_events_are_plain_lines_on_stderr(tmp_path, capsys):
    with open_events(settings(tmp_path), HandClock()) as events:
        events.emit(StepStarted("compile"))
    assert capsys.readouterr() == ("", "  start   compile\n")


def test_a_file_gets_the_same_events_as_json(tmp_path, capsys):
    path = tmp_path / "events.jsonl"
    with open_events(settings(tmp_path, json_events=path), HandClock()) as events:
        events.emit(Notice("hello"))
    assert json.loads(path.read_text())["message"] == "hello"
    assert capsys.readouterr().err == "hello\n"


def test_the_file_is_complete_after_a_failure(tmp_path):
    path = tmp_path / "events.jsonl"

    def work() -> None:
        with open_events(settings(tmp_path, json_events=path), HandClock()) as events:
            events.emit(Notice("before"))
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    assert json.loads(path.read_text())["message"] == "before"


def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path):
    wanted = settings(tmp_path, json_events=tmp_path / "no" / "events.jsonl")
    with pytest.raises(UsageError, match=r"events\.jsonl"), open_events(wanted, HandClock()):
        pass


@pytest.mark.parametrize(
    ("more", "is_live"),
    [({}, True), ({"progress": False}, False), ({"terminal": "dumb"}, False), ({"verbosity": "quiet"}, False)],
)
def test_a_terminal_gets_a_live_display_unless_it_cannot_or_must_not(tmp_path, monkeypatch, capsys, more, is_live):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with open_events(settings(tmp_path, **more), HandClock()) as events:
        events.emit(StepStarted("compile"))
    assert ("\x1b[?25l" in capsys.readouterr().err) is is_live
