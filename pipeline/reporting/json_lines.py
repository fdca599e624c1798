"""Events as JSON lines, for programs that watch a build."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from pipeline.model.clean_text import presentable

if TYPE_CHECKING:
    from pipeline.events import Event
    from pipeline.ports import Clock

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


class JsonLinesSink:
    """Writes each event as one JSON object on its own line, at once.

    Keys: ``event`` (``step_started``, ``step_progress`` ...), ``time`` (RFC 3339, UTC), ``elapsed_seconds`` since the
    sink was made, and the event's own fields.
    """

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._began = clock.monotonic()
        self._lock = threading.Lock()
        self._is_open = True

    def emit(self, event: Event) -> None:
        """Write one line."""
        with self._lock:
            if not self._is_open:
                return
            record = {
                "event": _WORD.sub("_", type(event).__name__).lower(),
                "time": datetime.fromtimestamp(self._clock.now_seconds(), UTC).isoformat().replace("+00:00", "Z"),
                "elapsed_seconds": round(self._clock.monotonic() - self._began, 3),
                **dataclasses.asdict(event),
            }
            try:
                self._stream.write(presentable(json.dumps(record, ensure_ascii=False)) + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # nobody reads it any more; the work goes on
                self._is_open = False

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._is_open = False
            self._stream.close()
