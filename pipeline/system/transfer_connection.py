"""One connection of a transfer: asks for a piece, judges the answer, writes what comes, asks for the next."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.system.range_answers import meaning_of, range_headers, strong_tag
from pipeline.system.shared_transfer import SharedTransfer, Stopped
from pipeline.system.transfer_faults import TransferFault
from pipeline.system.transfer_policy import SpeedWatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.system.http_answer import Answer
    from pipeline.system.partial_file import PartialWriter
    from pipeline.system.range_answers import Meaning
    from pipeline.system.range_plan import Span

FIRST = 0


class TransferConnection:
    """Works in a thread of its own until there is nothing to do, or it fails.

    Attributes:
        number: of the connection; the first one asks for all that lacks.
        alive: whether it still works.
        answer: that it reads now; may be aborted.
        answered: whether the server ever sent it bytes that it could use.
        came_bytes: that it wrote.
        asked_end: where the answer that it reads ends.
        fault: with which it ended.
        error: with which it ended, when that was no fault of the server.
    """

    def __init__(self, shared: SharedTransfer, number: int, span: Span | None) -> None:
        """Prepare connection ``number``, with ``span`` as the first piece to bring; None for the first connection."""
        self._shared = shared
        self._tools = shared.tools
        self._span = span
        self.number = number
        self.alive = True
        self.answer: Answer | None = None
        self.answered = False
        self.came_bytes = 0
        self.asked_end = 0
        self.fault: TransferFault | None = None
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._work, name=f"transfer-{self.number}", daemon=True).start()

    def _work(self) -> None:
        shared = self._shared
        try:
            if self._span is None:
                self._bring_all()
            while span := self._next():
                self._bring(span)
        except Stopped:
            pass
        except TransferFault as fault:
            self.fault = fault
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            self.error = error
        with shared.changed:
            shared.plan.release(self.number)
            self.alive = False
            shared.changed.notify_all()

    def _next(self) -> Span | None:
        if self._span is not None:
            span, self._span = self._span, None
            return span
        shared = self._shared
        with shared.changed:
            if shared.stopping or shared.ended or shared.tag is None or (shared.alone and self.number != FIRST):
                return None
            now, stalled = self._tools.clock.monotonic(), self._tools.policy.ranges.stalled_seconds
            if shared.alone:
                return shared.plan.take_all(self.number, now)
            return shared.plan.take(self.number, now, stalled_seconds=stalled)

    def _bring_all(self) -> None:
        """Ask for the first gap, which is the whole file at first, and read on until somebody else has the rest."""
        shared = self._shared
        with shared.changed:
            span = shared.plan.take_all(self.number, self._tools.clock.monotonic())
        if span is None:
            return
        resumed = shared.tag is not None
        with self._asking(span, resumed=resumed) as (answer, meaning):
            if meaning == "complete":
                shared.ended = True
                return
            with shared.changed:
                if meaning == "whole":
                    shared.restart(strong_tag(answer))
                    span = shared.plan.take_all(self.number, self._tools.clock.monotonic()) or span
                shared.began_at = self._tools.clock.monotonic()
            self._receive(answer, span, keep=False)
            shared.ended = shared.size_bytes is None

    def _bring(self, span: Span) -> None:
        """Bring one piece; only exactly that piece, of the same entity, is taken."""
        with self._asking(span, resumed=True) as (answer, meaning):
            if meaning != "part":
                raise TransferFault("the server sends the whole file where a part was asked for", kind="refused")
            self._receive(answer, span, keep=True)

    @contextmanager
    def _asking(self, span: Span, *, resumed: bool) -> Iterator[tuple[Answer, Meaning]]:
        """Ask at the place where the last answer came from, or anew at the url when that place does not want to."""
        shared = self._shared
        while True:
            location = shared.location
            try:
                with self._asking_at(location, span, resumed=resumed) as found:
                    yield found
                    return
            except TransferFault as fault:
                if self.answer is None and resumed and fault.kind == "content" and shared.began_at is None:
                    fault.spoils = True  # what is there is of no use with what this server has
                if location == shared.url or self.answer is not None or fault.kind not in {"forbidden", "missing"}:
                    raise
                with shared.changed:
                    shared.location = shared.url
            finally:
                with shared.changed:
                    self.answer = None

    @contextmanager
    def _asking_at(self, location: str, span: Span, *, resumed: bool) -> Iterator[tuple[Answer, Meaning]]:
        shared, size = self._shared, self._shared.size_bytes
        asked = shared.asked(span) if resumed else None
        headers = range_headers(asked, shared.tag) if asked is not None and shared.tag is not None else {}
        http2 = size is not None and size <= self._tools.policy.http2_below_bytes
        with self._tools.client.get(location, headers, http2=http2) as answer:
            meaning = meaning_of(
                answer,
                asked=asked,
                tag=shared.tag,
                size_bytes=size,
                binary=not shared.request.filename.endswith((".html", ".htm")),
                now_seconds=self._tools.clock.now_seconds(),
            )
            with shared.changed:
                if shared.stopping:
                    raise Stopped
                self.answer = answer
                shared.location = answer.url
            yield answer, meaning

    def _receive(self, answer: Answer, span: Span, *, keep: bool) -> None:
        """Write what comes, and not one byte more than the piece has now: others may have taken its end."""
        shared, clock = self._shared, self._tools.clock
        watch = SpeedWatch(self._tools.policy, clock.monotonic())
        left, self.asked_end = span.size_bytes, span.end
        with shared.partial.writer_at(span.start) as writer:
            for block in answer.blocks(keep_connection=keep):
                left = self._write(memoryview(block), span, writer)
                if not left and writer.position < span.end:
                    return  # somebody else brings the rest
                if watch.too_slow(len(block), clock.monotonic()):
                    raise TransferFault("the server sends too slowly", kind="slow")
        if left and shared.size_bytes is not None:
            raise TransferFault(f"the connection ended {left} bytes too early")

    def _write(self, block: memoryview, span: Span, writer: PartialWriter) -> int:
        """Write a block, or as much of it as this connection is to bring; return how much its piece lacks then."""
        shared, clock = self._shared, self._tools.clock
        left = 1
        while block and left:  # the piece may get longer between two rounds: the other connection failed
            count = shared.reserve(self.number, len(block))
            if count == 0 and writer.position == span.end:
                raise self._too_much()
            writer.write(block[:count])
            block = block[count:]
            left = shared.wrote(self.number, clock.monotonic(), end=span.end, beside_first=self.number != FIRST)
            self.answered = True
            self.came_bytes += count
        if block and not left and writer.position == span.end:
            raise self._too_much()
        return left

    def _too_much(self) -> TransferFault:
        several = self._shared.partial.answers > 1
        return TransferFault(
            f"more than {self._shared.plan.size_bytes} bytes came", kind="content", again=several, spoils=True
        )
