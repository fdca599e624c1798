"""Reads a stream of server-sent events as it arrives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# A thousand tokens are about 300 kB, each in a document of its own.
LIMIT_BYTES = 8 << 20


class _Ended(Exception):  # noqa: N818 - says why reading stops, and never leaves this module
    """Reading stops here, for the reason that it has as its text."""


def read_events(
    pieces: Iterable[bytes], *, timeout_seconds: float, on_event: Callable[[str], bool]
) -> tuple[tuple[str, ...], str]:
    """Return the data of each event, and why reading ended early (empty where it did not).

    Comments and fields other than ``data`` are passed over, as the rules for event streams have it (WHATWG HTML,
    9.2.6).

    Args:
        pieces: bytes as they arrive.
        timeout_seconds: for all of it; looked at whenever something arrives, silence is the connection's to end.
        on_event: is told each event at once; True says that it was the last.
    """
    events: list[str] = []
    try:
        for event in _events(_lines(_bounded(pieces, timeout_seconds))):
            events.append(event)
            if on_event(event):
                break
    except _Ended as reason:
        return tuple(events), str(reason)
    except httpx.TimeoutException:
        return tuple(events), f"nothing came for {timeout_seconds:g} s"
    except httpx.TransportError as error:
        return tuple(events), f"the connection broke: {error}"
    return tuple(events), ""


def _bounded(pieces: Iterable[bytes], timeout_seconds: float) -> Iterator[bytes]:
    deadline = time.monotonic() + timeout_seconds
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > LIMIT_BYTES:
            raise _Ended(f"more than {LIMIT_BYTES} bytes came")
        if time.monotonic() > deadline:
            raise _Ended(f"it did not end in {timeout_seconds:g} s")
        yield piece


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Split at line ends; a line that never ends is dropped, as is an event without the empty line after it."""
    rest = bytearray()
    for piece in pieces:
        rest += piece
        *whole, last = rest.split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
        rest = last


def _events(lines: Iterable[str]) -> Iterator[str]:
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
