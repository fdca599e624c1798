"""A download that is not finished: the bytes so far, and what they may be continued with."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.system.disk import disk_errors

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self


class PartialFile:
    """``<sha256>.part`` with ``<sha256>.json`` beside it, which says of which url and entity tag the bytes are.

    It has one owner (``lock_path`` is claimed by whoever uses it) and stays when that owner dies: bytes are appended
    in order, so a file of n bytes holds the first n. What a crash of the machine does to it shows in the whole file's
    digest.

    Attributes:
        path: of the bytes.
        size: of them.
        pieces: how many answers they come from; more than one may not belong together. What an earlier run left
            counts as two.
    """

    def __init__(self, folder: Path, sha256: str) -> None:
        """Look at what is there."""
        self.path = folder / f"{sha256}.part"
        self._note_path = folder / f"{sha256}.json"
        self.size = self.path.stat().st_size if self.path.is_file() else 0
        self.pieces = 2 if self.size else 0

    def tag_for(self, url: str) -> str | None:
        """Return the strong entity tag under which the bytes of ``url`` may be continued, None to start over."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            note = json.loads(self._note_path.read_bytes())
            if self.size and note["url"] == url and isinstance(note["tag"], str):
                return note["tag"]
        return None

    def restart(self, *, url: str, tag: str | None) -> PartialWriter:
        """Begin anew with the answer of ``url``; bytes of another answer go."""
        with disk_errors(self.path.parent):
            self.discard()
            if tag is not None:
                self._note_path.write_text(json.dumps({"url": url, "tag": tag}))
        return PartialWriter(self)

    def resume(self) -> PartialWriter:
        """Append."""
        return PartialWriter(self)

    def discard(self) -> None:
        """Remove the bytes."""
        self._note_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self.size = 0
        self.pieces = 0

    def forget(self) -> None:
        """Remove the note, after the bytes were moved elsewhere."""
        self._note_path.unlink(missing_ok=True)


class PartialWriter:
    """Appends to a partial file; each piece is handed to the system at once."""

    def __init__(self, partial: PartialFile) -> None:
        self._partial = partial
        with disk_errors(partial.path.parent):
            self._stream = partial.path.open("ab", buffering=0)
        partial.pieces += 1

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            NoSpaceError: the disk is full; what was written stays.
        """
        view = memoryview(data)
        with disk_errors(self._partial.path.parent):
            while view:
                count = self._stream.write(view)  # unbuffered: a write may take less
                self._partial.size += count
                view = view[count:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
