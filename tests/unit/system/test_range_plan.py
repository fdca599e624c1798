"""The plan of ranges covers what lacks exactly, whoever works, fails, stalls or steals."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.system.range_plan import RangePlan, Span, joined, lacking

SIZE = st.integers(1, 4000)
SPANS = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 4000)).map(lambda pair: Span(min(pair), max(pair))))


def numbers(spans):
    return [number for span in spans for number in range(span.start, span.end)]


@given(SPANS)
def test_joined_spans_are_the_same_bytes_in_order_without_touching(spans):
    result = joined(spans)
    assert numbers(result) == sorted(set(numbers(spans)))
    assert all(one.end < two.start for one, two in itertools.pairwise(result))


@given(SIZE, SPANS)
def test_what_lacks_is_exactly_what_is_not_there(size, have):
    assert numbers(lacking(size, have)) == sorted(set(range(size)) - set(numbers(have)))


# What happens to a plan: (worker, what, how many bytes, seconds that pass).
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.sampled_from(["write", "write", "write", "reserve", "fail", "share", "reclaim", "probe"]),
        st.integers(1, 900),
        st.sampled_from([0.0, 0.1, 5.0]),
    ),
    max_size=120,
)


class Crew:
    """Workers that do with a plan what connections do; every byte that is written is counted."""

    def __init__(self, size, have):
        self.plan = RangePlan(size, have, workers=4, smallest_bytes=16, largest_bytes=256)
        self.count = [0] * size
        self.now = 0.0
        self.at = {}  # position of each worker that has a piece
        self.reserved = {}
        for number in set(numbers(have)):
            if number < size:
                self.count[number] += 1

    def take(self, worker, span):
        if span is not None:
            assert span.size_bytes > 0
            self.at[worker] = span.start

    def reserve(self, worker, count):
        if worker not in self.at:
            self.take(worker, self.plan.take(worker, self.now, stalled_seconds=3.0))
        elif worker not in self.reserved:
            self.reserved[worker] = self.plan.reserve(worker, count)

    def write(self, worker, count):
        self.reserve(worker, count)
        if worker in self.reserved:
            allowed = self.reserved.pop(worker)
            for number in range(self.at[worker], self.at[worker] + allowed):
                self.count[number] += 1
            self.at[worker] += allowed
            if not self.plan.wrote(worker, self.now):
                del self.at[worker]

    def fail(self, worker):
        self.reserved.pop(worker, None)
        self.at.pop(worker, None)
        self.plan.release(worker)

    def do(self, worker, what, count):
        match what:
            case "write":
                self.write(worker, count)
            case "reserve":
                self.reserve(worker, count)
            case "fail":
                self.fail(worker)
            case "share":
                self.plan.share(worker)
            case "reclaim" if worker in self.at:
                self.plan.reclaim(worker, end=self.at[worker] + count)
            case "probe" if worker != 0 and worker not in self.at:
                self.take(worker, self.plan.probe(worker, of=0, now=self.now))

    def check(self):
        assert max(self.count) <= 1, "no byte is written twice"
        assert self.plan.done_bytes == sum(self.count)
        whole = next((place for place, count in enumerate(self.count) if not count), len(self.count))
        assert self.plan.prefix_bytes == whole
        assert self.plan.finished == all(self.count)


@settings(max_examples=300, deadline=None)
@given(SIZE, SPANS, EVENTS, st.booleans())
def test_every_byte_that_lacks_is_brought_exactly_once(size, have, events, alone_at_first):
    crew = Crew(size, have)
    crew.check()
    if alone_at_first:
        crew.take(0, crew.plan.take_all(0, crew.now))
    for worker, what, count, seconds in events:
        crew.now += seconds
        crew.do(worker, what, count)
        crew.check()
    for worker in range(5):  # whatever happened, one that is left brings the rest
        if worker != 1:
            crew.fail(worker)
    for _ in range(3 * size + 10):
        crew.write(1, 200)
    crew.check()
    assert crew.plan.finished


@given(SIZE.filter(lambda size: size > 64), st.integers(0, 400))
def test_a_probe_that_comes_to_nothing_leaves_the_whole_to_the_first(size, written):
    plan = RangePlan(size, [], workers=4, smallest_bytes=16, largest_bytes=256)
    plan.take_all(0, 0.0)
    plan.reserve(0, written)
    left = plan.wrote(0, 0.0)
    if plan.probe(1, of=0, now=0.0) is not None:
        plan.release(1)
        assert plan.reclaim(0, end=size) == left


def test_pieces_are_taken_from_the_front_and_get_smaller():
    plan = RangePlan(10_000, [], workers=4, smallest_bytes=100, largest_bytes=1000)
    spans = [plan.take(worker, 0.0, stalled_seconds=3.0) for worker in range(8)]
    assert [span.start for span in spans] == [0, *(span.end for span in spans[:-1])]
    assert spans[0] == Span(0, 1000)
    sizes = [span.size_bytes for span in spans]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1000


def test_a_worker_without_work_steals_so_much_that_both_end_together():
    plan = RangePlan(2000, [], workers=1, smallest_bytes=40, largest_bytes=1000)
    assert plan.take(0, 0.0, stalled_seconds=9.0) == Span(0, 1000)
    assert plan.take_all(1, 0.0) == Span(1000, 2000)
    plan.reserve(1, 1000)
    plan.wrote(1, 1.0)  # 1000 bytes a second
    plan.reserve(0, 250)
    plan.wrote(0, 1.0)  # 250 bytes a second: of 750 that lack it keeps a fifth
    assert plan.take(1, 1.0, stalled_seconds=9.0) == Span(400, 1000)
    assert plan.reserve(0, 750) == 150


def test_two_workers_do_not_take_the_last_piece_from_each_other_again_and_again():
    plan = RangePlan(100_000, [], workers=1, smallest_bytes=100, largest_bytes=50_000)
    assert plan.take(0, 0.0, stalled_seconds=9.0) == Span(0, 50_000)
    assert plan.take_all(1, 0.0) == Span(50_000, 100_000)
    plan.reserve(0, 50_000)
    plan.wrote(0, 1.0)
    plan.reserve(1, 10_000)
    plan.wrote(1, 1.0)
    stolen = plan.take(0, 1.0, stalled_seconds=9.0)
    assert stolen is not None
    kept = 100_000 - 60_000 - stolen.size_bytes
    plan.reserve(1, kept)
    plan.wrote(1, 1.0 + kept / 10_000)
    plan.reserve(0, 10_000)
    plan.wrote(0, 1.1)
    again = plan.take(1, 1.1, stalled_seconds=9.0)  # its owner has just begun and is five times as fast
    assert again is None or again.size_bytes < stolen.size_bytes / 2


def test_what_is_worth_a_request_is_stolen_and_less_is_not():
    plan = RangePlan(1000, [], workers=1, smallest_bytes=40, largest_bytes=10_000)
    plan.take_all(0, 0.0)
    plan.reserve(0, 981)
    plan.wrote(0, 1.0)
    assert plan.take(1, 1.0, stalled_seconds=9.0) is None


def test_a_piece_that_stands_still_is_taken_whole_but_not_what_is_being_written():
    plan = RangePlan(1000, [], workers=1, smallest_bytes=8000, largest_bytes=8000)
    plan.take_all(0, 0.0)
    plan.reserve(0, 100)
    assert plan.take(1, 2.9, stalled_seconds=3.0) is None
    assert plan.take(1, 3.0, stalled_seconds=3.0) == Span(100, 1000)
    assert plan.wrote(0, 3.0) == 0
    assert plan.reserve(0, 100) == 0
    assert plan.done_bytes == 100
