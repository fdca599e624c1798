"""Chooses who sees the events of a run: a live display, plain lines, a file of JSON lines."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.reporting.fanout import ClosingSink, FanOut

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.app.settings import Settings
    from pipeline.events import EventSink
    from pipeline.ports import Clock


@contextlib.contextmanager
def open_events(settings: Settings, clock: Clock) -> Iterator[EventSink]:
    """Give the sink for one command, and put the display away at its end, also after a failure.

    Raises:
        UsageError: the file for JSON lines cannot be written.
    """
    sinks = [_screen(settings, clock)]
    if settings.json_events:
        sinks.append(_json_lines(settings.json_events, clock))
    sink = FanOut(*sinks)
    try:
        yield sink
    finally:
        sink.close()


def _screen(settings: Settings, clock: Clock) -> ClosingSink:
    """Return the live display where stderr is a terminal that can move its cursor, plain lines elsewhere."""
    if settings.progress and settings.verbosity != "quiet" and settings.terminal != "dumb" and sys.stderr.isatty():
        from pipeline.reporting.terminal import TerminalSink

        return TerminalSink(sys.stderr, clock, verbosity=settings.verbosity, color=settings.color)
    from pipeline.reporting.lines import LinesSink

    return LinesSink(sys.stderr, clock, verbosity=settings.verbosity)


def _json_lines(path: Path, clock: Clock) -> ClosingSink:
    from pipeline.reporting.json_lines import JsonLinesSink

    try:
        return JsonLinesSink(path.open("w", encoding="utf-8"), clock)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", hint="name another file with --json-events"
        ) from error
