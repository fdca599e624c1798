"""What the connections of one transfer share: the plan, the partial file, and what is known about the server."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.system.http_client import origin_of
from pipeline.system.range_answers import OPEN_END
from pipeline.system.range_plan import RangePlan, Span

if TYPE_CHECKING:
    from pipeline.ports import Clock, DownloadRequest
    from pipeline.system.http_client import HttpClient
    from pipeline.system.partial_file import PartialFile
    from pipeline.system.server_limits import ServerLimits
    from pipeline.system.transfer_policy import TransferPolicy


@dataclass(frozen=True, slots=True)
class TransferTools:
    """What transfers work with.

    Attributes:
        client: that asks servers.
        limits: how many connections servers bear.
        clock: for speed.
        policy: patience.
    """

    client: HttpClient
    limits: ServerLimits
    clock: Clock
    policy: TransferPolicy


class Stopped(Exception):  # noqa: N818  # no error: somebody asked for it
    """The transfer is over for this connection."""


@dataclass(slots=True)
class SharedTransfer:
    """Everything here changes only under ``changed``.

    Attributes:
        request: what to bring.
        partial: where it goes.
        url: that was given; where it leads is ``location``, asked anew when that is refused.
        tools: to work with.
        tag: the strong entity tag of the bytes that are there or come, None when there is none.
        plan: who brings which bytes. A file of unknown size counts as one of the largest size that is allowed.
        location: which is asked.
        ended: whether a file of unknown size came to its end.
        stopping: whether nobody may write any more.
        began_at: when the first body began (monotonic seconds), None before.
        proven: whether a part came as it was asked for, beside another connection.
        alone: whether only the first connection takes more pieces.
        changed: is notified when a connection ends.
    """

    request: DownloadRequest
    partial: PartialFile
    url: str
    tools: TransferTools
    tag: str | None = None
    plan: RangePlan = field(init=False)
    location: str = field(init=False)
    ended: bool = False
    stopping: bool = False
    began_at: float | None = None
    proven: bool = False
    alone: bool = True
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        """Plan to continue what is there of this url."""
        self.tag = self.partial.tag_for(self.url)
        self.location = self.url
        self.plan = self._planned(self.partial.have if self.tag is not None else [])

    @property
    def size_bytes(self) -> int | None:
        """Of the file, None when it is not known."""
        return self.request.size_bytes

    @property
    def server(self) -> tuple[str, str, int | None]:
        """The origin that is asked."""
        return origin_of(self.location)

    def restart(self, tag: str | None) -> None:
        """Begin the file anew with an answer that has ``tag``."""
        self.partial.restart(url=self.url, tag=tag)
        self.tag = tag
        self.plan = self._planned([])

    def asked(self, span: Span) -> Span:
        """Return how to ask for a span: without an end where the end of the file is meant."""
        return span if span.end < self.plan.size_bytes else Span(span.start, OPEN_END)

    def reserve(self, number: int, count: int) -> int:
        """Return how many of the next bytes connection ``number`` may write.

        Raises:
            Stopped: none, the transfer is over.
        """
        with self.changed:
            if self.stopping:
                raise Stopped
            return self.plan.reserve(number, count)

    def wrote(self, number: int, now: float, *, end: int, beside_first: bool) -> int:
        """Note that they are written; return how many the connection's piece, which was asked up to ``end``, lacks."""
        with self.changed:
            self.proven = self.proven or beside_first
            left = self.plan.wrote(number, now)
            if not left and not self.proven:  # it goes on rather than leave bytes to a server that may not answer
                left = self.plan.reclaim(number, end=end)
            return left

    def _planned(self, have: list[Span]) -> RangePlan:
        policy = self.tools.policy
        return RangePlan(
            policy.limit_for(self.request),
            have,
            workers=policy.ranges.connections,
            smallest_bytes=policy.ranges.smallest_bytes,
            largest_bytes=policy.ranges.largest_bytes,
        )
