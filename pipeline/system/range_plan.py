"""Which connection brings which bytes of a file. Pure: no clock, no file, no thread; callers hold a lock around it.

The bytes that lack are a sorted list of spans. A worker takes the front of the first one, so that the beginning of the
file fills up in order and can be hashed meanwhile; a piece is a share of what lacks, so pieces get smaller towards the
end (guided self-scheduling). When nothing is left to take, a worker steals the back of the piece that would be ready
last, so much that both end together, or all of a piece whose owner stands still.

No byte is ever written by two workers: a worker reserves bytes before it writes them, and only what is not reserved
can be stolen. The digest of the beginning may therefore be taken while the rest still comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Span(NamedTuple):
    """Bytes ``start`` (included) to ``end`` (excluded) of a file."""

    start: int
    end: int

    @property
    def size_bytes(self) -> int:
        """How many they are."""
        return self.end - self.start


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return the same bytes as few sorted spans that neither touch nor overlap."""
    result: list[Span] = []
    for span in sorted(span for span in spans if span.end > span.start):
        if result and span.start <= result[-1].end:
            result[-1] = Span(result[-1].start, max(result[-1].end, span.end))
        else:
            result.append(span)
    return result


def lacking(size_bytes: int, have: Iterable[Span]) -> list[Span]:
    """Return the bytes of a file of that size that are not in ``have``, sorted."""
    result, here = [], 0
    for span in joined(have):
        if here < min(span.start, size_bytes):
            result.append(Span(here, min(span.start, size_bytes)))
        here = max(here, span.end)
    if here < size_bytes:
        result.append(Span(here, size_bytes))
    return result


_MOMENT_SECONDS = 0.01
_STEALS_PER_PIECE = 4  # what is worth stealing is smaller than what is worth planning
_WORTH_A_REQUEST_SECONDS = 0.2  # a request costs a round trip or two


@dataclass(slots=True)
class _Piece:
    """What one worker is busy with: bytes before ``position`` are written, those before ``reserved`` are being so."""

    start: int
    position: int
    reserved: int
    end: int
    given_at: float
    moved_at: float

    def speed(self, now: float) -> float:
        """Return bytes a second so far; never 0."""
        return max(1, self.position - self.start) / max(now - self.given_at, _MOMENT_SECONDS)


class RangePlan:
    """Shares the bytes that lack among workers.

    Attributes:
        size_bytes: of the file.
        done_bytes: that are written, those of earlier runs included.
        workers: how many there are to share with; may change.
    """

    def __init__(
        self, size_bytes: int, have: Iterable[Span], *, workers: int, smallest_bytes: int, largest_bytes: int
    ) -> None:
        """Plan to bring what ``have`` lacks.

        Args:
            size_bytes: of the file.
            have: what is there already.
            workers: how many there may be at once.
            smallest_bytes: pieces are not made smaller than that.
            largest_bytes: nor larger; the digest of the beginning lags behind by at most this times ``workers``.
        """
        self.size_bytes = size_bytes
        self.workers = workers
        self._smallest = smallest_bytes
        self._largest = largest_bytes
        self._todo = lacking(size_bytes, have)
        self._busy: dict[int, _Piece] = {}
        self._speeds: dict[int, float] = {}  # of each worker's last piece
        self.done_bytes = size_bytes - sum(span.size_bytes for span in self._todo)

    @property
    def finished(self) -> bool:
        """Whether every byte is written."""
        return self.done_bytes == self.size_bytes

    @property
    def prefix_bytes(self) -> int:
        """How many bytes from the beginning are written without a gap."""
        gaps = [piece.position for piece in self._busy.values() if piece.position < piece.end]
        return min([*gaps, *(span.start for span in self._todo[:1])], default=self.size_bytes)

    def take_all(self, worker: int, now: float) -> Span | None:
        """Give a worker the whole first gap: for one that reads alone, and whose piece is shared later."""
        self.release(worker)
        if not self._todo:
            return None
        return self._give(worker, self._todo.pop(0), now)

    def take(self, worker: int, now: float, *, stalled_seconds: float) -> Span | None:
        """Give a worker its next piece, None when there is nothing for it to do.

        Args:
            worker: its number; what it left of its last piece is taken back.
            now: monotonic seconds.
            stalled_seconds: a piece that did not move for that long may be taken from its owner.
        """
        self.release(worker)
        if not self._todo:
            return self._steal(worker, now, stalled_seconds)
        share = self._share_bytes(sum(span.size_bytes for span in self._todo))
        first = self._todo.pop(0)
        if first.size_bytes - share >= self._smallest:
            self._todo.insert(0, Span(first.start + share, first.end))
            first = Span(first.start, first.start + share)
        return self._give(worker, first, now)

    def probe(self, worker: int, *, of: int, now: float) -> Span | None:
        """Give a worker a small piece somewhat further on in another's, to see whether the server honours ranges.

        ``reclaim`` undoes it; the other one goes on meanwhile. None when the piece is too small for that.
        """
        piece = self._busy.get(of)
        rest = 0 if piece is None else piece.end - piece.reserved
        if piece is None or rest < 4 * self._smallest:
            return None
        middle, end = piece.reserved + max(rest // 8, 2 * self._smallest), piece.end
        piece.end = middle
        self._put_back(Span(middle + self._smallest, end))
        return self._give(worker, Span(middle, middle + self._smallest), now)

    def reclaim(self, worker: int, *, end: int) -> int:
        """Give a worker what follows its piece before ``end`` and nobody has begun; return how much its piece lacks."""
        piece = self._busy[worker]
        for other in self._busy.values():
            if other is not piece and other.position == other.reserved < other.end:
                self._put_back(Span(other.position, other.end))
                other.end = other.position
        for span in [span for span in self._todo if span.start == piece.end < end]:
            self._todo.remove(span)
            piece.end = min(span.end, end)
            self._put_back(Span(piece.end, span.end))
        return piece.end - piece.position

    def share(self, worker: int) -> None:
        """Shorten a worker's piece to the front that it would be given now; the rest is there to be taken."""
        piece = self._busy.get(worker)
        if piece is None:
            return
        lacks = piece.end - piece.reserved + sum(span.size_bytes for span in self._todo)
        end = piece.reserved + self._share_bytes(lacks)
        if piece.end - end >= self._smallest:
            self._put_back(Span(end, piece.end))
            piece.end = end

    def reserve(self, worker: int, count: int) -> int:
        """Return how many of the next ``count`` bytes the worker may write; fewer when its piece was shortened."""
        piece = self._busy[worker]
        allowed = min(count, piece.end - piece.position)
        piece.reserved = piece.position + allowed
        return allowed

    def wrote(self, worker: int, now: float) -> int:
        """Note that the reserved bytes are written; return how many are left of the worker's piece."""
        piece = self._busy[worker]
        self.done_bytes += piece.reserved - piece.position
        piece.position = piece.reserved
        piece.moved_at = now
        if piece.position - piece.start >= self._smallest or worker not in self._speeds:
            self._speeds[worker] = piece.speed(now)
        return piece.end - piece.position

    def release(self, worker: int) -> None:
        """Take back what a worker did not write."""
        piece = self._busy.pop(worker, None)
        if piece is not None:
            self._put_back(Span(piece.position, piece.end))

    def _share_bytes(self, lacks: int) -> int:
        return min(max(lacks // self.workers, self._smallest), self._largest)

    def _give(self, worker: int, span: Span, now: float) -> Span:
        self._busy[worker] = _Piece(span.start, span.start, span.start, span.end, now, now)
        return span

    def _put_back(self, span: Span) -> None:
        self._todo = joined([*self._todo, span])

    def _steal(self, worker: int, now: float, stalled_seconds: float) -> Span | None:
        """Give a worker the back of the piece that would be ready last, or the whole of one that stands still."""
        found: tuple[float, _Piece, int] | None = None
        for owner, piece in self._busy.items():
            rest = piece.end - piece.reserved
            speed = self._speed_of(owner, piece, now)
            own_speed = self._speeds.get(worker, speed)
            stands = now - piece.moved_at >= stalled_seconds
            kept = 0 if stands else round(rest * speed / (speed + own_speed))
            least = (
                1 if stands else max(self._smallest // _STEALS_PER_PIECE, round(own_speed * _WORTH_A_REQUEST_SECONDS))
            )
            if rest - kept >= least and (found is None or rest / speed > found[0]):
                found = (rest / speed, piece, kept)
        if found is None:
            return None
        _, piece, kept = found
        span = Span(piece.reserved + kept, piece.end)
        piece.end = span.start
        return self._give(worker, span, now)

    def _speed_of(self, owner: int, piece: _Piece, now: float) -> float:
        """Return bytes a second of a piece; of its owner's last one while too little came to tell."""
        if piece.position - piece.start < self._smallest and owner in self._speeds:
            return self._speeds[owner]
        return piece.speed(now)
