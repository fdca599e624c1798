"""One file from the first of its places that has it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.events import Notice
from pipeline.system.download_errors import DeadlineError
from pipeline.system.place_transfer import PlaceTransfer
from pipeline.system.shared_transfer import Stopped, TransferTools
from pipeline.system.transfer_faults import TransferFault, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from threading import Event

    from pipeline.events import EventSink
    from pipeline.model.result import BlobRef
    from pipeline.ports import DownloadRequest
    from pipeline.system.download_places import Place
    from pipeline.system.partial_file import PartialFile
    from pipeline.system.store import FileStore

_TICK_SECONDS = 0.1


@dataclass(slots=True)
class FileFetch:
    """The work of bringing one file; its owner has claimed the partial file.

    Attributes:
        request: what to bring.
        partial: what is there of it.
        store: that it enters.
        tools: to ask servers with.
        events: take notices.
        progress: is told (bytes so far, bytes in all or None).
        stop: somebody wants it to end.
        deadline: monotonic seconds after which it ends.
    """

    request: DownloadRequest
    partial: PartialFile
    store: FileStore
    tools: TransferTools
    events: EventSink
    progress: Callable[[int, int | None], None]
    stop: Event
    deadline: float

    def run(self, places: Sequence[Place]) -> BlobRef | None:
        """Return the file, None when every place is given up; each place then knows its faults.

        A place that fails for a while is left alone for a while, and meanwhile the next one is tried.

        Raises:
            Stopped: ``stop`` was set; what came is kept.
            DeadlineError: it takes too long; what came is kept.
            NoSpaceError: the disk is full; what came is kept.
        """
        policy, clock = self.tools.policy, self.tools.clock
        if self.partial.size and self.partial.size == self.request.size_bytes:
            with suppress(TransferFault):  # an earlier run ended before it looked; if it is wrong, no place is to blame
                return self._finish()
        best = self.partial.size
        while waiting := [place for place in places if not place.given_up]:
            now = clock.monotonic()
            place = next((place for place in waiting if place.not_before <= now), None)
            if place is None:
                self._look()
                clock.sleep(min(*(place.not_before - now for place in waiting), _TICK_SECONDS))
                continue
            try:
                return self._try(place)
            except TransferFault as fault:
                if self.partial.size >= best + policy.progress_bytes:
                    place.faults.clear()  # it works, if not for long
                best = max(best, self.partial.size)
                place.failed(fault, now=clock.monotonic(), jitter=secrets.randbelow(1000) / 1000, policy=policy)
                self._report(place, fault)
        return None

    def _look(self, done: int | None = None) -> None:
        """Tell how far it is, and end it when it has to end."""
        if done is not None:
            self.progress(done, self.request.size_bytes)
        if self.stop.is_set():
            raise Stopped
        if self.tools.clock.monotonic() > self.deadline:
            raise DeadlineError(self.request.what, self.tools.policy.deadline_for(self.request.size_bytes))

    def _try(self, place: Place) -> BlobRef:
        if self.partial.size > self.tools.policy.limit_for(self.request):
            self.partial.discard()
        path = place.local_path
        if path is None:
            PlaceTransfer(self.request, self.partial, place.url, self.tools).run(self._look)
        else:
            self._copy(path)
        return self._finish()

    def _finish(self) -> BlobRef:
        """Check the whole file and hand it to the store."""
        expected = self.request.size_bytes
        found, size = self.partial.digest()
        if expected is not None and size != expected:
            raise TransferFault(f"{size} of {expected} bytes came")
        resumed = self.partial.answers > 1
        try:
            blob = self.store.add_hashed_blob(
                self.partial.path, filename=self.request.filename, sha256=self.request.sha256, found=(found, size)
            )
        except IntegrityError as error:
            self.partial.discard()
            # Bytes of several answers may not belong together; bytes of one are what the place has.
            raise TransferFault(error.message, kind="content", again=resumed) from error
        self.partial.forget()
        return blob

    def _copy(self, path: Path) -> None:
        try:
            source = path.open("rb")
        except FileNotFoundError as error:
            raise TransferFault(f"{path} does not exist", kind="missing", again=False) from error
        except OSError as error:
            raise TransferFault(f"{path} cannot be read: {error.strerror}", kind="forbidden", again=False) from error
        limit = self.tools.policy.limit_for(self.request)
        room = True
        with source:
            self.partial.restart(url=path.as_uri(), tag=None)
            with self.partial.writer_at(0) as writer:
                while (chunk := source.read(CHUNK_BYTES)) and (room := writer.position + len(chunk) <= limit):
                    writer.write(chunk)
                    self._look(writer.position)
        if not room:
            self.partial.discard()
            raise TransferFault(f"it is longer than {limit} bytes", kind="content", again=False)

    def _report(self, place: Place, fault: TransferFault) -> None:
        text = f"{self.request.what}: {shown(place.url)}: {fault.reason}"
        if place.is_mirror and fault.kind == "content":
            self.events.emit(Notice(f"{text}; the mirror's file is not used", "warning"))
        elif (place.is_mirror or self.request.is_optional) and fault.kind == "missing":
            self.events.emit(Notice(text, "debug"))
        else:
            self.events.emit(Notice(f"{text}; {'giving it up' if place.given_up else 'trying again'}", "info"))
