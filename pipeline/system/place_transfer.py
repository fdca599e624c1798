"""One try at bringing a file from one server: over one connection, and over more where that is faster.

The calling thread only looks after things: progress, deadline, how many connections. The first connection asks for all
that lacks and reads on whatever the others do. When it turns out slow, a second one asks for a small part further on;
only when exactly that part comes, of the same entity, and both are faster than one, the rest is shared among more. A
connection that fails gives its bytes back to the plan; the try fails with the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.system.shared_transfer import SharedTransfer, TransferTools
from pipeline.system.transfer_connection import FIRST, TransferConnection
from pipeline.system.transfer_faults import TransferFault
from pipeline.system.widening import Widening

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.ports import DownloadRequest
    from pipeline.system.partial_file import PartialFile
    from pipeline.system.range_plan import Span

_TICK_SECONDS = 0.05


class PlaceTransfer:
    """Brings what lacks of a file from one url."""

    def __init__(self, request: DownloadRequest, partial: PartialFile, url: str, tools: TransferTools) -> None:
        """Prepare; nothing is asked before ``run``."""
        self._shared = SharedTransfer(request, partial, url, tools)
        self._tools = tools
        self._policy = tools.policy.ranges
        self._connections: list[TransferConnection] = []
        self._counted: dict[int, tuple[str, str, int | None]] = {}  # the server with which each connection is counted
        self._started = 0
        self._widening = Widening(self._policy)
        self._not_before = 0.0
        self._fruitless = 0
        self._fault: TransferFault | None = None

    def run(self, look: Callable[[int], None]) -> None:
        """Bring all that lacks.

        Args:
            look: is called about twenty times a second with the bytes that are there; what it raises ends the transfer.

        Raises:
            TransferFault: the server failed; what came is kept unless that ``spoils``.
            NoSpaceError: the disk is full; what came is kept.
        """
        shared = self._shared
        look(shared.plan.done_bytes)
        try:
            self._start(None)
            while self._at_work():
                with shared.changed:
                    if all(connection.alive for connection in self._connections):
                        shared.changed.wait(_TICK_SECONDS)
                look(shared.plan.done_bytes)
                self._count_first()
                self._reap()
                if self._connections and not shared.plan.finished:
                    self._consider_more()
        finally:
            self._stop()
        if self._fault is not None and self._fault.spoils:
            shared.partial.discard()
            raise self._fault
        if not (shared.ended or shared.plan.finished):
            fault = self._fault or TransferFault("the connection ended too early")
            if self._started > 1:  # our number may be what the server minds: it is asked again, over one connection
                fault.again = True
                fault.wait_seconds = min(fault.wait_seconds, self._tools.policy.retry_after_limit_seconds)
            raise fault

    def _at_work(self) -> bool:
        """Tell whether to wait: for one that is alone until it ends (too much may come), else for the bytes."""
        if self._fault is not None and self._fault.spoils:
            return False
        alone = [one.number for one in self._connections] == [FIRST]
        return bool(self._connections) and (alone or not self._shared.plan.finished)

    def _start(self, span: Span | None) -> None:
        connection = TransferConnection(self._shared, self._started, span)
        self._started += 1
        self._connections.append(connection)
        connection.start()

    def _stop(self) -> None:
        """End all connections, and wait until none writes; one that still waits for an answer is left to itself."""
        shared = self._shared
        with shared.changed:
            shared.stopping = True
            while reading := [one.answer for one in self._connections if one.alive and one.answer is not None]:
                for answer in reading:
                    answer.abort()
                shared.changed.wait(_TICK_SECONDS)
        for number in list(self._counted):
            self._uncount(number)
        shared.partial.close_journal()

    def _reap(self) -> None:
        """Look at connections that have ended."""
        for connection in [one for one in self._connections if not one.alive]:
            self._connections.remove(connection)
            if connection.error is not None:
                raise connection.error
            if connection.fault is not None:
                self._failed(connection, connection.fault)
            self._uncount(connection.number)

    def _failed(self, connection: TransferConnection, fault: TransferFault) -> None:
        """Learn from a connection's fault; others go on without it."""
        shared, policy = self._shared, self._tools.policy
        if self._fault is None or not self._fault.spoils:
            self._fault = fault
        self._fruitless = 0 if connection.came_bytes >= policy.progress_bytes else self._fruitless + 1
        now = self._tools.clock.monotonic()
        self._not_before = now + max(policy.backoff(max(1, self._fruitless), 1.0), fault.wait_seconds)
        if connection.number == FIRST or connection.answered:
            return
        with shared.changed:
            proven, first = shared.proven, next((one for one in self._connections if one.number == FIRST), None)
            if not proven and first is not None and first.alive:
                shared.plan.reclaim(FIRST, end=first.asked_end)
        self._tools.limits.refused(shared.server, alone=fault.kind in {"content", "refused"})

    def _uncount(self, number: int) -> None:
        server = self._counted.pop(number, None)
        if server is not None:
            self._tools.limits.leave(server)

    def _consider_more(self) -> None:
        """Open more connections where that is worth it."""
        shared, now = self._shared, self._tools.clock.monotonic()
        if shared.began_at is None or shared.tag is None or (shared.size_bytes or 0) < self._policy.from_bytes:
            return
        with shared.changed:
            before, left = self._widening.stage, shared.plan.size_bytes - shared.plan.done_bytes
            stage = self._widening.sample(now, shared.plan.done_bytes, left, proven=shared.proven)
            wanted = {"one": 1, "trial": 2, "many": self._policy.connections, "enough": 2}[stage]
            shared.plan.workers = wanted
            shared.alone = stage == "one"
            if stage != before and stage == "many":
                shared.plan.share(FIRST)
            if now >= self._not_before and self._fruitless < self._tools.policy.tries:
                self._open(min(wanted, self._policy.connections), now)

    def _open(self, wanted: int, now: float) -> None:
        """Open connections until there are so many, as long as there is work for them and the server bears them."""
        shared, limits = self._shared, self._tools.limits
        server = shared.server
        while len(self._connections) < wanted:
            if not limits.enter(server, extra=True):
                return
            if shared.proven:
                stalled = self._policy.stalled_seconds
                span = shared.plan.take(self._started, now, stalled_seconds=stalled)
            else:
                span = shared.plan.probe(self._started, of=FIRST, now=now)
            if span is None:
                limits.leave(server)
                return
            self._counted[self._started] = server
            shared.partial.scatter()
            self._start(span)

    def _count_first(self) -> None:
        """Count the first connection, once it is known with which server."""
        works = any(connection.number == FIRST for connection in self._connections)
        if works and FIRST not in self._counted and self._shared.began_at is not None:
            self._counted[FIRST] = self._shared.server
            self._tools.limits.enter(self._counted[FIRST], extra=False)
