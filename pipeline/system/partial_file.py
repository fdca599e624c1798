"""A download that is not finished: the bytes so far, and what they may be continued with."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.system.disk import disk_errors
from pipeline.system.prefix_digest import PrefixDigest
from pipeline.system.range_journal import RangeJournal, read_journal
from pipeline.system.range_plan import Span, joined

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_BLOCK_BYTES = 512  # of st_blocks, on every system that has it
_MARK_BYTES = 1 << 20  # a kill costs each connection no more than that


def bytes_on_disk(folder: Path, sha256: str) -> int:
    """Return how much of the disk an unfinished download takes already, whoever owns it; its gaps take nothing."""
    try:
        found = (folder / f"{sha256}.part").stat()
    except OSError:
        return 0
    return min(found.st_size, found.st_blocks * _BLOCK_BYTES) if hasattr(found, "st_blocks") else found.st_size


class PartialFile:
    """``<sha256>.part``, with ``<sha256>.json`` beside it, which says of which url and entity tag the bytes are.

    It has one owner (who has claimed ``<sha256>.lock``) and stays when that owner dies. While bytes are appended in
    order, a file of n bytes holds the first n. From the moment at which it may get gaps (``scatter``) a journal,
    ``<sha256>.ranges``, says what is there, and the size of the file says nothing. What a crash of the machine does to
    it shows in the whole file's digest.

    Attributes:
        path: of the bytes.
        answers: how many answers they come from; more than one may not belong together. What an earlier run left
            counts as two.
    """

    def __init__(self, folder: Path, sha256: str) -> None:
        """Look at what is there."""
        self.path = folder / f"{sha256}.part"
        self._note_path = folder / f"{sha256}.json"
        self._journal_path = folder / f"{sha256}.ranges"
        self._lock = threading.Lock()
        self._journal: RangeJournal | None = None
        file_bytes = self.path.stat().st_size if self.path.is_file() else 0
        listed = read_journal(self._journal_path, file_bytes=file_bytes)
        self._scattered = listed is not None
        self._have = joined([Span(0, file_bytes)]) if listed is None else listed
        self._digest = PrefixDigest(self.path)
        self.answers = 2 if self._have else 0

    @property
    def have(self) -> list[Span]:
        """The spans that are there, sorted."""
        with self._lock:
            return list(self._have)

    @property
    def size(self) -> int:
        """How many bytes are there."""
        return sum(span.size_bytes for span in self.have)

    def tag_for(self, url: str) -> str | None:
        """Return the strong entity tag under which the bytes of ``url`` may be continued, None to start over."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            note = json.loads(self._note_path.read_bytes())
            if self._have and note["url"] == url and isinstance(note["tag"], str):
                return note["tag"]
        return None

    def restart(self, *, url: str, tag: str | None) -> None:
        """Begin anew with an answer of ``url``; bytes of another answer go."""
        with disk_errors(self.path.parent):
            self.discard()
            if tag is not None:
                self._note_path.write_text(json.dumps({"url": url, "tag": tag}))
            self.path.touch()

    def scatter(self) -> None:
        """Keep a journal from now on, so that bytes may be written anywhere."""
        with self._lock:
            if self._journal is None:
                self._journal = RangeJournal(self._journal_path, self._have)
            self._scattered = True

    def digest(self) -> tuple[str, int]:
        """Return (sha256, size in bytes) of the whole file, every byte read back since it was written."""
        return self._digest.finish()

    def writer_at(self, offset: int) -> PartialWriter:
        """Return what writes from ``offset`` on; anywhere else than at the end only after ``scatter``.

        Raises:
            NoSpaceError: the disk is full.
        """
        if self._scattered:
            self.scatter()
        self._advance_digest()
        return PartialWriter(self, offset)

    def mark(self, span: Span) -> None:
        """Note that a span is written."""
        if span.size_bytes:
            with self._lock:
                self._have = joined([*self._have, span])
                if self._journal is not None:
                    with disk_errors(self.path.parent):
                        self._journal.add(span)
            self._advance_digest()

    def discard(self) -> None:
        """Remove the bytes."""
        self.path.unlink(missing_ok=True)  # first: without its journal a file with gaps would look whole
        self.forget()
        self._have = []
        self._digest = PrefixDigest(self.path)
        self.answers = 0

    def forget(self) -> None:
        """Remove what is noted about the bytes, after they were moved elsewhere."""
        self.close()
        self._scattered = False
        self._journal_path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)

    def close_journal(self) -> None:
        """Close the journal until something is written again; everything stays."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()
                self._journal = None

    def close(self) -> None:
        """End what goes on in the background; everything stays."""
        self.close_journal()
        self._digest.abandon()

    def _advance_digest(self) -> None:
        with self._lock:
            if self._have and self._have[0].start == 0:
                self._digest.advance(self._have[0].end)


class PartialWriter:
    """Writes one span of a partial file, in order; each piece is handed to the system at once.

    Attributes:
        position: where the next byte goes.
    """

    def __init__(self, partial: PartialFile, offset: int) -> None:
        self._partial = partial
        self._marked = self.position = offset
        with disk_errors(partial.path.parent):
            self._stream = partial.path.open("r+b", buffering=0)
            self._stream.seek(offset)
        partial.answers += 1

    def write(self, data: bytes | memoryview) -> None:
        """Write the next bytes.

        Raises:
            NoSpaceError: the disk is full; what was written stays.
        """
        view = memoryview(data)
        with disk_errors(self._partial.path.parent):
            while view:
                count = self._stream.write(view)  # unbuffered: a write may take less
                self.position += count
                view = view[count:]
        if self.position - self._marked >= _MARK_BYTES:
            self._mark()

    def _mark(self) -> None:
        self._partial.mark(Span(self._marked, self.position))
        self._marked = self.position

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._mark()
