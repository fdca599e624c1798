"""One file from the first of its places that has it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.events import Notice
from pipeline.system.range_answers import meaning_of, strong_tag
from pipeline.system.transfer_faults import TransferFault, shown
from pipeline.system.transfer_policy import SpeedWatch, TransferPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.events import EventSink
    from pipeline.model.result import BlobRef
    from pipeline.ports import Clock, DownloadRequest
    from pipeline.system.download_places import Place
    from pipeline.system.http_client import Answer, HttpClient
    from pipeline.system.partial_file import PartialFile, PartialWriter
    from pipeline.system.store import FileStore


@dataclass(frozen=True, slots=True)
class FileFetch:
    """The work of bringing one file; its owner has claimed the partial file.

    Attributes:
        request: what to bring.
        partial: what is there of it.
        store: that it enters.
        client: that asks servers.
        clock: for waits and speed.
        events: take notices.
        policy: patience.
        progress: is told (bytes so far, bytes in all or None).
    """

    request: DownloadRequest
    partial: PartialFile
    store: FileStore
    client: HttpClient
    clock: Clock
    events: EventSink
    policy: TransferPolicy
    progress: Callable[[int, int | None], None]

    def run(self, places: Sequence[Place]) -> BlobRef | None:
        """Return the file, None when every place is given up; each place then knows its faults.

        A place that fails for a while is left alone for a while, and meanwhile the next one is tried.
        """
        started = self.clock.monotonic()
        if self.partial.size and self.partial.size == self.request.size_bytes:
            with suppress(TransferFault):  # an earlier run ended before it looked; if it is wrong, no place is to blame
                return self._finish()
        best = self.partial.size
        while waiting := [place for place in places if not place.given_up]:
            now = self.clock.monotonic()
            if self.policy.deadline_seconds is not None and now - started > self.policy.deadline_seconds:
                break
            place = next((place for place in waiting if place.not_before <= now), None)
            if place is None:
                self.clock.sleep(min(place.not_before for place in waiting) - now)
                continue
            try:
                return self._try(place)
            except TransferFault as fault:
                if self.partial.size >= best + self.policy.progress_bytes:
                    place.faults.clear()  # it works, if not for long
                best = max(best, self.partial.size)
                now = self.clock.monotonic()
                place.failed(fault, now=now, jitter=secrets.randbelow(1000) / 1000, policy=self.policy)
                self._report(place, fault)
        return None

    def _try(self, place: Place) -> BlobRef:
        size = self.request.size_bytes
        if self.partial.size > (self.policy.size_limit_bytes if size is None else size):
            self.partial.discard()
        path = place.local_path
        if path is None:
            self._download(place.url)
        else:
            self._copy(path)
        return self._finish()

    def _finish(self) -> BlobRef:
        """Check the whole file and hand it to the store."""
        size = self.request.size_bytes
        if size is not None and self.partial.size != size:
            raise TransferFault(f"the connection ended after {self.partial.size} of {size} bytes")
        resumed = self.partial.pieces > 1
        try:
            blob = self.store.add_blob(self.partial.path, filename=self.request.filename, sha256=self.request.sha256)
        except IntegrityError as error:
            self.partial.discard()
            # Bytes of several answers may not belong together; bytes of one are what the place has.
            raise TransferFault(error.message, kind="content", again=resumed) from error
        self.partial.forget()
        return blob

    def _download(self, url: str) -> None:
        tag = self.partial.tag_for(url)
        offset = self.partial.size if tag is not None else 0
        headers = {"Range": f"bytes={offset}-", "If-Range": tag} if tag is not None else {}
        with self.client.get(url, headers) as answer:
            try:
                meaning = meaning_of(
                    answer,
                    offset=offset,
                    tag=tag,
                    size_bytes=self.request.size_bytes,
                    binary=not self.request.filename.endswith((".html", ".htm")),
                    now_seconds=self.clock.now_seconds(),
                )
            except TransferFault as fault:
                if offset and fault.kind == "content":
                    self.partial.discard()
                raise
            if meaning == "complete":
                return
            whole = meaning == "whole"
            writer = self.partial.restart(url=url, tag=strong_tag(answer)) if whole else self.partial.resume()
            with writer:
                self._receive(self._watched(answer), writer)

    def _watched(self, answer: Answer) -> Iterator[bytes]:
        """Yield the body's pieces; a server that drips is left."""
        watch = SpeedWatch(self.policy, self.clock.monotonic())
        for piece in answer.pieces():
            yield piece
            if watch.too_slow(len(piece), self.clock.monotonic()):
                raise TransferFault("the server sends too slowly")

    def _copy(self, path: Path) -> None:
        try:
            source = path.open("rb")
        except FileNotFoundError as error:
            raise TransferFault(f"{path} does not exist", kind="missing", again=False) from error
        except OSError as error:
            raise TransferFault(f"{path} cannot be read: {error.strerror}", kind="forbidden", again=False) from error
        with source, self.partial.restart(url=path.as_uri(), tag=None) as writer:
            self._receive(iter(lambda: source.read(CHUNK_BYTES), b""), writer)

    def _receive(self, pieces: Iterable[bytes], writer: PartialWriter) -> None:
        """Write pieces, and not one byte more than the file may have."""
        size = self.request.size_bytes
        limit = self.policy.size_limit_bytes if size is None else size
        self.progress(self.partial.size, size)
        for piece in pieces:
            if self.partial.size + len(piece) > limit:
                resumed = self.partial.pieces > 1
                self.partial.discard()
                raise TransferFault(f"more than {limit} bytes came", kind="content", again=resumed)
            writer.write(piece)
            self.progress(self.partial.size, size)

    def _report(self, place: Place, fault: TransferFault) -> None:
        text = f"{self.request.what}: {shown(place.url)}: {fault.reason}"
        if place.is_mirror and fault.kind == "content":
            self.events.emit(Notice(f"{text}; the mirror's file is not used", "warning"))
        elif place.is_mirror and fault.kind == "missing":
            self.events.emit(Notice(text, "debug"))
        else:
            self.events.emit(Notice(f"{text}; {'giving it up' if place.given_up else 'trying again'}", "info"))
