"""Several sinks as one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pipeline.events import Event


class ClosingSink(Protocol):
    """A sink that has something to put away at the end."""

    def emit(self, event: Event) -> None:
        """Take one event."""
        ...

    def close(self) -> None:
        """Put away what is open; called once, also after a failure."""
        ...


class FanOut:
    """Hands each event to every sink, in order; threads take turns."""

    def __init__(self, *sinks: ClosingSink) -> None:
        self._sinks = sinks
        self._turn = threading.Lock()

    def emit(self, event: Event) -> None:
        """Pass one event on."""
        with self._turn:
            for sink in self._sinks:
                sink.emit(event)

    def close(self) -> None:
        """Close every sink."""
        for sink in self._sinks:
            sink.close()
