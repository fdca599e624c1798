"""Reading files whose digest is known: the bytes are checked on the way."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer


class CheckedReader(io.RawIOBase):
    """A forward-only stream that calls ``changed(found)`` at its end if its sha256 or size is not the expected one."""

    def __init__(self, stream: BinaryIO, *, sha256: str, size_bytes: int, changed: Callable[[str], None]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._expected = (sha256, size_bytes)
        self._size = 0
        self._changed = changed

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill ``buffer``; 0 is the end, reached only when every byte was right."""
        view = memoryview(buffer).cast("B")
        chunk = self._stream.read(len(view))
        view[: len(chunk)] = chunk
        self._digest.update(chunk)
        self._size += len(chunk)
        # One byte too many is noticed at once, a change or a cut at the end.
        if (not chunk and len(view)) or self._size > self._expected[1]:
            found = (self._digest.hexdigest(), self._size)
            if found != self._expected:
                self._changed(found[0])
        return len(chunk)
