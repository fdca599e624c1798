"""Which bytes of a file with gaps are there: a text file to which one line a finished span is appended.

A span is appended after its bytes were handed to the system, so whoever dies when, a span that stands here is in the
file. Nothing is synced for it: after a crash of the machine the digest of the whole file says whether the bytes are
right.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from pipeline.system.disk import disk_errors
from pipeline.system.range_plan import Span, joined

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LINE = re.compile(rb"(\d{1,18}) (\d{1,18})")


def read_journal(path: Path, *, file_bytes: int) -> list[Span] | None:
    """Return the spans of a journal, None when there is none.

    Reading ends at the first line that is cut or makes no sense; a span beyond the end of the file is not believed.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line break was cut
    except FileNotFoundError:
        return None
    spans = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or not int(match[1]) < int(match[2]) <= file_bytes:
            break
        spans.append(Span(int(match[1]), int(match[2])))
    return joined(spans)


class RangeJournal:
    """Appends to a journal, from any thread."""

    def __init__(self, path: Path, spans: Iterable[Span]) -> None:
        """Write it anew with these spans (at once), and open it for more."""
        self._lock = threading.Lock()
        fresh = path.with_name(f"{path.name}.new")
        with disk_errors(path.parent):
            fresh.write_bytes(b"".join(b"%d %d\n" % span for span in spans))
            fresh.replace(path)
            self._stream = path.open("ab", buffering=0)

    def add(self, span: Span) -> None:
        """Append a span whose bytes are written.

        Raises:
            NoSpaceError: the disk is full.
        """
        with self._lock:
            self._stream.write(b"%d %d\n" % span)

    def close(self) -> None:
        """Close the file; the journal stays."""
        self._stream.close()
