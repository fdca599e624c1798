"""Output of programs as lines."""

from __future__ import annotations

import codecs
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TAIL_LINES = 200  # ports.CommandOutcome
_MAX_LINE_CHARACTERS = 1 << 16  # a longer line is cut into several; a program may print without end


class LineReader:
    """Cuts bytes into lines, keeps the last ones, and passes everything on.

    Attributes:
        tail: the last lines.
    """

    def __init__(self, log: Callable[[bytes], None] | None, on_line: Callable[[str], None] | None) -> None:
        """Hand bytes to ``log`` as they come, and hand whole lines to ``on_line``."""
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = log
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._partial = ""

    def feed(self, data: bytes) -> None:
        """Take output."""
        if self._log is not None:
            self._log(data)
        self._partial += self._decoder.decode(data)
        *lines, self._partial = self._partial.replace("\r\n", "\n").split("\n")
        for line in lines:
            self._take(line)
        while len(self._partial) > _MAX_LINE_CHARACTERS:
            self._take(self._partial[:_MAX_LINE_CHARACTERS])
            self._partial = self._partial[_MAX_LINE_CHARACTERS:]

    def finish(self) -> None:
        """Take the last line, which may lack its end."""
        self._partial += self._decoder.decode(b"", final=True)
        if self._partial:
            self._take(self._partial)
            self._partial = ""

    def _take(self, line: str) -> None:
        self.tail.append(line)
        if self._on_line is not None:
            self._on_line(line)
