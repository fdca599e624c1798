"""One file over several connections: nothing is lost, mixed or believed that was not asked for, whatever servers do."""

import dataclasses
import itertools
import os
import subprocess
import sys
import time

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, NoSpaceError
from pipeline.events import Notice
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.range_journal import RangeJournal, read_journal
from pipeline.system.range_plan import Span
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import RangePolicy, TransferPolicy
from tests.simulators import http_server as sim

DATA = b"".join(number.to_bytes(4, "big") for number in range(100_000))
EAGER = RangePolicy(
    connections=4, from_bytes=1, after_seconds=0.0, ramp_seconds=0.0, window_seconds=0.0, clear_gain=0.0,
    when_left_seconds=0.0, one_stream_bytes_per_second=1e12, smallest_bytes=10_000, largest_bytes=40_000,
    stalled_seconds=0.3,
)  # fmt: skip
QUICK = TransferPolicy(
    tries=3, backoff_seconds=0.005, backoff_limit_seconds=0.02, read_timeout_seconds=2.0, connect_timeout_seconds=2.0,
    slow_bytes_per_second=1000.0, slow_window_seconds=0.5, progress_bytes=20_000, retry_after_limit_seconds=0.5,
    ranges=EAGER,
)  # fmt: skip
SLOW = sim.drip(0.03, piece=10_000)  # the whole of DATA in 1.2 s


class Sink:
    def __init__(self):
        self.events = []

    def emit(self, event):
        self.events.append(event)


@pytest.fixture
def server():
    with sim.FaultyServer() as running:
        yield running


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "cache")


@pytest.fixture
def downloader(store):
    one = HttpDownloader(store, offline=False, events=Sink(), clock=SystemClock(), policy=QUICK)
    yield one
    one.close()


@pytest.fixture
def calm(store):
    """Return a downloader that sees no reason for a second connection."""
    policy = dataclasses.replace(QUICK, ranges=RangePolicy())
    one = HttpDownloader(store, offline=False, events=Sink(), clock=SystemClock(), policy=policy)
    yield one
    one.close()


def wanted(*urls, data=DATA):
    return DownloadRequest("the file", urls, sha256_bytes(data), len(data), "f.bin")


def stored(store, blob):
    with store.open_blob(blob) as stream:
        return stream.read()


def ranges(server, path="/f"):
    return [request["range"] for request in server.requests(path) if "range" in request]


def spans(server, path="/f"):
    found = [text.removeprefix("bytes=").split("-") for text in ranges(server, path)]
    total = len(server.resources[path].data)
    return [Span(int(start), int(end) + 1 if end else total) for start, end in found]


def wholes(server, path="/f"):
    return sum("range" not in request for request in server.requests(path))


def another_part(x):
    start, end = x.span()
    x.answer(206, x.resource.data[start + 4 : end + 4], {"Content-Range": f"bytes {start + 4}-{end + 3}/{len(DATA)}"})


def changed(x):
    start, end = x.span()
    part = f"bytes {start}-{end - 1}/{len(DATA)}"
    x.answer(206, b"?" * (end - start), {"Content-Range": part, "ETag": '"new"'})


def too_long_a_part(x):
    start, end = x.span()
    x.answer(206, x.resource.data[start : end + 9], {"Content-Range": f"bytes {start}-{end - 1}/{len(DATA)}"})


def weak(x):
    start, end = x.span()
    part = f"bytes {start}-{end - 1}/{len(DATA)}"
    x.answer(206, x.resource.data[start:end], {"Content-Range": part, "ETag": f"W/{x.resource.tag}"})


def test_a_slow_stream_is_helped_by_parts_that_do_not_overlap(server, store, downloader):
    url = server.host("/f", DATA, SLOW)
    assert stored(store, downloader.fetch(wanted(url))) == DATA
    assert wholes(server) == 1
    parts = sorted(spans(server))
    assert len(parts) > 3
    assert all(one.end <= two.start or two.end <= one.end for one, two in itertools.pairwise(parts))
    assert all(request["if-range"] == server.resources["/f"].tag for request in server.requests("/f")[1:])
    assert sorted((store.cache_dir / "partials").glob("*.[!l]*")) == []


REFUSALS = {
    "another part": another_part,
    "another entity": changed,
    "weak tag": weak,
    "a part too long": too_long_a_part,
    "the whole file": sim.ignore_range(),
    "not satisfiable": sim.status(416, {"Content-Range": "bytes */7"}),
    "429": sim.status(429, {"Retry-After": "9999"}),
    "503": sim.status(503),
    "403": sim.status(403),
    "404": sim.status(404),
    "rate limit": sim.status(403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}),
    "reset": sim.reset_after(0),
    "gzip": sim.compressed(),
    "web page": sim.other_body(b"<html>", Content_Type="text/html"),
    "a redirect to ftp": sim.redirect("ftp://127.0.0.1/f"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_server_that_refuses_the_second_connection_loses_nothing_of_the_first(server, store, downloader, case):
    url = server.host("/f", DATA, SLOW, *[REFUSALS[case]] * 20)
    assert stored(store, downloader.fetch(wanted(url))) == DATA
    assert wholes(server) == 1
    assert len(ranges(server)) >= 1
    assert server.resources["/f"].bytes_sent >= len(DATA)


@pytest.mark.parametrize("case", REFUSALS)
def test_a_server_that_refuses_later_connections_loses_nothing_of_the_earlier(server, store, downloader, case):
    url = server.host("/f", DATA, SLOW, sim.proper, REFUSALS[case], sim.proper, REFUSALS[case])
    assert stored(store, downloader.fetch(wanted(url))) == DATA


@pytest.mark.parametrize("fault", [
    sim.reset_after(5000), sim.hang_up_after(5000), sim.silence(3.0), sim.drip(0.2, piece=10),
], ids=["reset", "hang up", "silence", "drip"])  # fmt: skip
def test_what_a_broken_connection_leaves_is_brought_by_others(server, store, downloader, fault):
    url = server.host("/f", DATA, SLOW, sim.proper, fault, fault, fault)
    assert stored(store, downloader.fetch(wanted(url))) == DATA
    assert wholes(server) == 1


def test_the_others_go_on_when_the_first_connection_breaks(server, store, downloader):
    def slow_then_gone(x):
        x.begin()
        for start in range(0, 120_000, 10_000):
            x.body(DATA[start : start + 10_000])
            x.handler.wfile.flush()
            time.sleep(0.03)
        x.hang_up()

    slow = sim.drip(0.01, piece=2000)
    url = server.host("/f", DATA, slow_then_gone, *[slow] * 50)
    assert stored(store, downloader.fetch(wanted(url))) == DATA
    assert wholes(server) == 1


def test_a_refusal_is_remembered_for_the_next_file(server, store, downloader):
    one = server.host("/f", DATA, SLOW, *[sim.status(429)] * 9)
    downloader.fetch(wanted(one))
    other = DATA[::-1]
    two = server.host("/g", other, SLOW)
    assert stored(store, downloader.fetch(wanted(two, data=other))) == other
    assert ranges(server, "/g") == []


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_tag_there_is_one_connection(server, store, downloader, tag):
    url = server.host("/f", DATA, SLOW, tag=tag)
    assert stored(store, downloader.fetch(wanted(url))) == DATA
    assert len(server.requests("/f")) == 1


def test_parts_are_asked_for_where_the_first_answer_came_from_until_that_place_refuses(server, store, downloader):
    server.host("/signed", DATA, SLOW, sim.proper, sim.status(403), sim.status(403))
    url = server.host("/f", b"", *[sim.redirect("/signed")] * 30)
    assert stored(store, downloader.fetch(wanted(url))) == DATA
    assert 2 <= len(server.requests("/f")) < len(server.requests("/signed"))


def begun(server, store, have, data=DATA):
    """Leave a partial file with gaps, as a killed run does; return the url."""
    url = server.host("/f", data)
    partials = store.cache_dir / "partials"
    there = bytearray(b"?" * max(span.end for span in have))
    for span in have:
        there[span.start : span.end] = DATA[span.start : span.end]
    (partials / f"{sha256_bytes(DATA)}.part").write_bytes(there)
    tag = server.resources["/f"].tag.replace('"', '\\"')
    (partials / f"{sha256_bytes(DATA)}.json").write_text(f'{{"url": "{url}", "tag": "{tag}"}}')
    RangeJournal(partials / f"{sha256_bytes(DATA)}.ranges", have).close()
    return url


def test_only_what_lacks_is_asked_for_after_a_kill(server, store, calm):
    url = begun(server, store, [Span(0, 50_000), Span(90_000, 200_000), Span(300_000, 400_000)])
    assert stored(store, calm.fetch(wanted(url))) == DATA
    assert ranges(server) == ["bytes=50000-89999", "bytes=200000-299999"]


def test_the_front_may_be_what_lacks(server, store, calm):
    url = begun(server, store, [Span(100_000, 400_000)])
    assert stored(store, calm.fetch(wanted(url))) == DATA
    assert ranges(server) == ["bytes=0-99999"]


@pytest.mark.parametrize(
    "fault", [sim.ignore_range(), changed, another_part, sim.status(416)], ids=["whole", "changed", "other part", "416"]
)
def test_parts_of_another_entity_are_thrown_away_with_the_gaps(server, store, downloader, fault):
    url = begun(server, store, [Span(0, 50_000), Span(90_000, 200_000)])
    server.resources["/f"].faults.append(fault)
    assert stored(store, downloader.fetch(wanted(url))) == DATA


def test_a_part_that_is_wrong_on_the_disk_is_found_out(server, store, downloader):
    url = begun(server, store, [Span(0, 50_000), Span(90_000, 400_000)])
    part = store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.part"
    part.write_bytes(part.read_bytes().replace(DATA[120_000:120_100], b"!" * 100))
    assert stored(store, downloader.fetch(wanted(url))) == DATA
    assert wholes(server) == 1


def test_parts_that_lie_about_their_bytes_never_enter_the_store(server, store, downloader):
    def lie(x):
        start, end = x.span() or (0, len(DATA))
        part = {"Content-Range": f"bytes {start}-{end - 1}/{len(DATA)}"}
        x.answer(206 if x.span() else 200, b"!" * (end - start), part if x.span() else {})

    url = server.host("/f", DATA, SLOW, *[lie] * 60)
    with pytest.raises(IntegrityError, match="sha256"):
        downloader.fetch(wanted(url))
    assert not store.has_blob(sha256_bytes(DATA))
    assert [path.suffix for path in (store.cache_dir / "partials").iterdir() if path.suffix != ".lock"] == []


FETCH = """
import sys
from pathlib import Path
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import *
class Sink:
    def emit(self, event): pass
cache, url, sha256, size, policy = sys.argv[1:]
downloader = HttpDownloader(
    FileStore(Path(cache)), offline=False, events=Sink(), clock=SystemClock(), policy=eval(policy)
)
downloader.fetch(DownloadRequest("it", (url,), sha256, int(size), "f"))
"""


def test_a_kill_in_the_middle_of_parts_loses_next_to_nothing(server, store, downloader):
    data = os.urandom(12 << 20)
    url = server.host("/f", data, *[sim.drip(0.01, piece=100_000)] * 100)
    argv = [sys.executable, "-c", FETCH, store.cache_dir, url, sha256_bytes(data), str(len(data)), repr(QUICK)]
    child = subprocess.Popen(argv)
    journal = store.cache_dir / "partials" / f"{sha256_bytes(data)}.ranges"
    deadline = time.monotonic() + 20
    while not (journal.exists() and len(journal.read_bytes().splitlines()) > 30):
        assert time.monotonic() < deadline, "no parts came"
        time.sleep(0.01)
    child.kill()
    child.wait()
    kept = read_journal(journal, file_bytes=len(data))
    resource = server.resources["/f"]
    resource.faults.clear()
    resource.requests.clear()
    assert stored(store, downloader.fetch(wanted(url, data=data))) == data
    assert wholes(server) == 0, downloader._events.events
    assert not [(one, two) for one in spans(server) for two in kept if one.start < two.end and two.start < one.end]


def test_a_full_disk_ends_all_connections_and_keeps_what_came(server, small_disk):
    data = os.urandom(3 << 20)
    store = FileStore(small_disk / "cache")
    url = server.host("/f", data, sim.drip(0.01, piece=50_000))
    downloader = HttpDownloader(store, offline=False, events=Sink(), clock=SystemClock(), policy=QUICK)
    with pytest.raises(NoSpaceError):
        downloader.fetch(wanted(url, data=data))
    downloader.close()
    assert (store.cache_dir / "partials" / f"{sha256_bytes(data)}.part").stat().st_size > 0


def test_a_journal_is_believed_up_to_the_first_line_that_makes_no_sense(tmp_path):
    path = tmp_path / "f.ranges"
    assert read_journal(path, file_bytes=100) is None
    for text, expected in (
        (b"", []),
        (b"0 10\n5 20\n30 40\n", [Span(0, 20), Span(30, 40)]),
        (b"0 10\n20 30", [Span(0, 10)]),
        (b"0 10\n20 3\n40 50\n", [Span(0, 10)]),
        (b"0 10\n20 101\n", [Span(0, 10)]),
        (b"0 10\n-1 5\n", [Span(0, 10)]),
        (b"\x00\x00\n", []),
    ):
        path.write_bytes(text)
        assert read_journal(path, file_bytes=100) == expected


def test_a_journal_that_was_cut_is_written_anew_before_more_is_added(tmp_path):
    path = tmp_path / "f.ranges"
    path.write_bytes(b"0 10\n2")
    journal = RangeJournal(path, read_journal(path, file_bytes=100))
    journal.add(Span(50, 60))
    journal.close()
    assert read_journal(path, file_bytes=100) == [Span(0, 10), Span(50, 60)]


def test_notices_say_what_was_wrong_with_a_place(server, calm):
    calm.fetch(wanted(server.host("/f", DATA, sim.hang_up_after(100_000))))
    assert any("trying again" in event.message for event in calm._events.events if isinstance(event, Notice))
