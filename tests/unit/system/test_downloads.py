"""Downloads survive what servers, networks and people do, and let nothing else into the store."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, NetworkError, NoSpaceError, OfflineError
from pipeline.events import Notice
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.download_errors import DeadlineError, TooSlowError
from pipeline.system.downloads import HttpDownloader
from pipeline.system.rate_limits import RateLimitError
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import TransferPolicy
from tests.simulators import http_server as sim
from tests.simulators.certificates import make_certificates

DATA = bytes(range(256)) * 1200
QUICK = TransferPolicy(
    tries=3, backoff_seconds=0.005, backoff_limit_seconds=0.02, read_timeout_seconds=0.5, connect_timeout_seconds=2.0,
    slow_bytes_per_second=5000.0, slow_window_seconds=0.3, retry_after_limit_seconds=2.0, progress_bytes=40_000,
    size_limit_bytes=1 << 20,
)  # fmt: skip


class Sink:
    def __init__(self):
        self.events = []

    def emit(self, event):
        self.events.append(event)

    def warnings(self):
        return [event.message for event in self.events if isinstance(event, Notice) and event.level == "warning"]


@pytest.fixture
def server():
    with sim.FaultyServer() as running:
        yield running


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "cache")


@pytest.fixture
def make(store, sink):
    made = []

    def downloader(**options):
        options = {"offline": False, "policy": QUICK, **options}
        made.append(HttpDownloader(store, events=sink, clock=SystemClock(), **options))
        return made[-1]

    yield downloader
    for one in made:
        one.close()


def wanted(*urls, data=DATA, size="known", filename="f.bin"):
    return DownloadRequest(
        what="the file", urls=urls, sha256=sha256_bytes(data), size_bytes=len(data) if size == "known" else None,
        filename=filename,
    )  # fmt: skip


def stored(store, blob):
    with store.open_blob(blob) as stream:
        return stream.read()


def partials(store):
    return sorted(path.suffix for path in (store.cache_dir / "partials").iterdir() if path.suffix != ".lock")


def test_a_file_is_brought_once_and_then_taken_from_the_store(server, store, make):
    url = server.host("/f", DATA)
    seen = []
    blob = make().fetch(wanted(url), progress=lambda done, total: seen.append((done, total)))
    assert stored(store, blob) == DATA
    assert (blob.filename, blob.size_bytes) == ("f.bin", len(DATA))
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))
    assert make().fetch(wanted(url)) == blob
    assert len(server.requests("/f")) == 1
    assert partials(store) == []
    assert server.requests("/f")[0]["accept-encoding"] == "identity"


PASSING = {
    "reset": sim.reset_after(100_000),
    "hang up": sim.hang_up_after(100_000),
    "reset at once": sim.reset_after(0),
    "cut chunk": sim.cut_chunk(),
    "silence": sim.silence(1.5),
    "drip": sim.drip(0.01),
    "500": sim.status(500),
    "502": sim.status(502),
    "503 with seconds": sim.status(503, {"Retry-After": "0"}),
    "429 with a date": sim.status(429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    "408": sim.status(408),
    "no length": sim.no_length(),
    "negative length": sim.other_body(DATA, Content_Length="-5"),
    "huge length": sim.other_body(DATA, Content_Length="9" * 30),
    "rate limit": sim.status(403, {"x-ratelimit-remaining": "0", "Retry-After": "0"}),
    "short once": sim.other_body(DATA[:-1]),
    "web page once": sim.other_body(b"<html>", Content_Type="text/html"),
}


@pytest.mark.parametrize(
    ("case", "size"),
    # A short file of unknown size cannot be told from a whole one before it is hashed; then it is a wrong one.
    [(case, size) for case in PASSING for size in ("known", "unknown") if (case, size) != ("short once", "unknown")],
)
def test_a_passing_fault_is_survived(server, store, make, case, size):
    url = server.host("/f", DATA, PASSING[case])
    assert stored(store, make().fetch(wanted(url, size=size))) == DATA


@pytest.mark.parametrize("fault", [sim.reset_after(100_000), sim.hang_up_after(100_000)], ids=["reset", "hang up"])
def test_a_broken_transfer_goes_on_where_it_broke(server, store, make, fault):
    url = server.host("/f", DATA, fault, fault)
    assert stored(store, make().fetch(wanted(url))) == DATA
    first, second, third = server.requests("/f")
    assert "range" not in first
    assert second["if-range"] == server.resources["/f"].tag
    assert 0 < int(second["range"].removeprefix("bytes=").rstrip("-")) <= 100_000
    assert int(third["range"].removeprefix("bytes=").rstrip("-")) > int(
        second["range"].removeprefix("bytes=").rstrip("-")
    )
    assert server.resources["/f"].bytes_sent <= len(DATA) + 2 * sim.PIECE_BYTES


@pytest.mark.parametrize("tag", [None, 'W/"weak"', "unquoted"])
def test_without_a_strong_tag_a_broken_transfer_starts_over(server, store, make, tag):
    url = server.host("/f", DATA, sim.hang_up_after(100_000), tag=tag)
    assert stored(store, make().fetch(wanted(url))) == DATA
    assert "range" not in server.requests("/f")[1]


WRONG_PARTS = {
    "range ignored": sim.ignore_range(),
    "another start": sim.part(f"bytes 0-{len(DATA) - 1}/{len(DATA)}", 0),
    "another total": sim.part(f"bytes 100000-{len(DATA) - 1}/{len(DATA) + 1}", 100_000),
    "not to the end": sim.part(f"bytes 100000-100001/{len(DATA)}", 100_000),
    "unknown total": sim.part(f"bytes 100000-{len(DATA) - 1}/*", 100_000),
    "no range": sim.part("", 100_000),
    "another tag": sim.part(f"bytes 100000-{len(DATA) - 1}/{len(DATA)}", 100_000, ETag='"other"'),
    "wrong bytes under the right range": sim.part(f"bytes 100000-{len(DATA) - 1}/{len(DATA)}", 5),
    "not satisfiable": sim.status(416, {"Content-Range": f"bytes */{len(DATA)}"}),
}


@pytest.mark.parametrize("size", ["known", "unknown"])
@pytest.mark.parametrize("case", WRONG_PARTS)
def test_a_wrong_answer_to_a_continued_transfer_never_gets_into_the_file(server, store, make, case, size):
    url = server.host("/f", DATA)
    (store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.part").write_bytes(DATA[:100_000])
    note = {"url": url, "tag": server.resources["/f"].tag}
    (store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.json").write_text(json.dumps(note))
    server.resources["/f"].faults.append(WRONG_PARTS[case])
    assert stored(store, make().fetch(wanted(url, size=size))) == DATA


def test_a_file_that_changed_on_the_server_meanwhile_starts_over(server, store, make):
    url = server.host("/f", DATA, sim.hang_up_after(100_000), tag='"new"')
    server.resources["/f"].faults[0] = lambda x: (
        setattr(x.resource, "tag", '"old"'),
        sim.hang_up_after(100_000)(x),
        setattr(x.resource, "tag", '"new"'),
    )
    assert stored(store, make().fetch(wanted(url))) == DATA
    assert server.requests("/f")[1]["if-range"] == '"old"'


def test_a_damaged_partial_file_is_found_out_and_brought_anew(server, store, make):
    url = server.host("/f", DATA)
    (store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.part").write_bytes(b"?" * 1000)
    note = {"url": url, "tag": server.resources["/f"].tag}
    (store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.json").write_text(json.dumps(note))
    assert stored(store, make().fetch(wanted(url))) == DATA
    assert [entry.get("range") for entry in server.requests("/f")] == ["bytes=1000-", None]


@pytest.mark.parametrize("size", ["known", "unknown"])
def test_a_wrong_partial_file_of_the_right_size_is_no_place_s_fault(server, store, make, size):
    part = store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.part"
    part.write_bytes(b"?" * len(DATA))
    server.host("/mirror/f.bin", DATA)
    note = {"url": server.url("/mirror/f.bin"), "tag": server.resources["/mirror/f.bin"].tag}
    part.with_suffix(".json").write_text(json.dumps(note))
    url = server.host("/f", DATA)
    assert stored(store, make(mirrors=[server.url("/mirror")]).fetch(wanted(url, size=size))) == DATA


@pytest.mark.parametrize(("variable", "value", "word"), [
    ("SSL_CERT_FILE", "/nonexistent", "certificates"), ("ALL_PROXY", "socks9://127.0.0.1:1", "proxy"),
])  # fmt: skip
def test_a_setting_of_this_machine_that_makes_no_sense_is_said(make, monkeypatch, variable, value, word):
    monkeypatch.setenv(variable, value)
    with pytest.raises(NetworkError, match=word):
        make().fetch(wanted("https://127.0.0.1:9/f"))


def test_a_partial_file_that_is_whole_already_needs_no_server(server, store, make):
    (store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.part").write_bytes(DATA)
    url = server.host("/f", DATA)
    assert stored(store, make().fetch(wanted(url))) == DATA
    assert server.requests("/f") == []


@pytest.mark.parametrize(("fault", "word"), [
    (sim.other_body(b"x" * len(DATA)), "sha256"),
    (sim.other_body(DATA[:-1]), "announces"),
    (sim.other_body(b""), "announces"),
    (sim.other_body(DATA + b"+"), "announces"),
    (sim.other_body(b"<html>", Content_Type="text/html; charset=utf-8"), "web page"),
    (sim.part(f"bytes 0-{len(DATA) - 1}/{len(DATA)}", 0), "unasked"),
    (sim.endless(), "more than"),
    (sim.endless(chunked=True), "more than"),
], ids=["corrupt", "short", "empty", "longer", "html", "206 unasked", "endless", "endless chunks"])  # fmt: skip
def test_a_wrong_file_is_an_integrity_error_and_nothing_is_kept(server, store, make, fault, word):
    url = server.host("/f", DATA, fault, fault, fault)
    with pytest.raises(IntegrityError, match=word) as caught:
        make().fetch(wanted(url))
    assert "/f" in caught.value.message
    assert not store.has_blob(sha256_bytes(DATA))
    assert partials(store) == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_that_sends_too_much_is_cut_off(server, store, make, chunked):
    url = server.host("/f", b"", sim.endless(chunked=chunked))
    with pytest.raises(IntegrityError, match="more than 5 bytes"):
        make().fetch(wanted(url, data=b"12345"))
    server.host("/f", b"", sim.endless(chunked=chunked))
    with pytest.raises(IntegrityError, match="more than 1048576 bytes"):
        make().fetch(wanted(url, data=b"12345", size="unknown"))
    assert partials(store) == []


def test_a_request_may_allow_a_file_of_unknown_size_less_than_the_policy_does(server, store, make, tmp_path):
    request = dataclasses.replace(wanted(server.host("/f", b"", sim.endless()), size="unknown"), limit_bytes=5)
    with pytest.raises(IntegrityError, match="more than 5 bytes"):
        make().fetch(request)
    (tmp_path / "file").write_bytes(DATA)
    with pytest.raises(IntegrityError, match="longer than 5 bytes"):
        make().fetch(dataclasses.replace(request, urls=((tmp_path / "file").as_uri(),)))
    assert partials(store) == []
    assert make().fetch(dataclasses.replace(request, limit_bytes=len(DATA), urls=(server.host("/g", DATA),)))


LASTING = {
    "404": sim.status(404),
    "403": sim.status(403),
    "401": sim.status(401),
    "410": sim.status(410),
    "gzip encoding": sim.compressed(),
    "redirect from http to ftp": sim.redirect("ftp://example.com/x"),
    "redirect from http to file": sim.redirect("file:///etc/passwd"),
    "redirect without a place": sim.redirect(""),
    "has no TLS": sim.redirect("http://["),
    "503": sim.status(503, {"Retry-After": "999999"}),
    "rate limit": sim.status(403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}),
}


@pytest.mark.parametrize("case", LASTING)
def test_a_lasting_refusal_is_a_network_error_after_one_try(server, make, case):
    url = server.host("/f", DATA, LASTING[case])
    with pytest.raises(NetworkError, match=case):
        make().fetch(wanted(url))
    assert len(server.requests("/f")) == 1


def test_a_server_that_keeps_failing_is_given_up_after_the_tries(server, make):
    url = server.host("/f", DATA, *[sim.status(503)] * 9)
    with pytest.raises(NetworkError, match="503") as caught:
        make().fetch(wanted(url))
    assert len(server.requests("/f")) == QUICK.tries
    assert caught.value.retryable


def test_a_transfer_that_breaks_often_but_moves_on_is_not_given_up(server, store, make):
    url = server.host("/f", DATA, *[sim.hang_up_after(50_000)] * 6)
    assert stored(store, make().fetch(wanted(url))) == DATA
    assert len(server.requests("/f")) > QUICK.tries


def test_a_deadline_ends_it_and_what_came_is_kept(server, store, make):
    url = server.host("/f", DATA, *[sim.hang_up_after(50_000)] * 6)
    with pytest.raises(DeadlineError, match="did not come within 1 s") as caught:
        make(policy=TransferPolicy(deadline_seconds=1.0, backoff_seconds=9.0)).fetch(wanted(url))
    assert (caught.value.exit_code, caught.value.retryable) == (6, True)
    assert partials(store) == [".json", ".part"]


def test_a_server_that_only_drips_is_an_error_of_its_own(server, make):
    url = server.host("/f", DATA, *[sim.drip(0.02)] * 9)
    with pytest.raises(TooSlowError, match="too slowly") as caught:
        make().fetch(wanted(url))
    assert caught.value.exit_code == 6


def test_a_used_up_rate_limit_is_an_error_of_its_own(server, make):
    url = server.host("/f", DATA, LASTING["rate limit"])
    with pytest.raises(RateLimitError, match="rate limit is used up"):
        make().fetch(wanted(url))


@pytest.mark.parametrize(("size", "seconds"), [(0, 600), (32768 * 1000, 1600), (None, 600 + 32768)])
def test_a_deadline_grows_with_the_size_at_the_floor_rate(size, seconds):
    assert TransferPolicy().deadline_for(size) == seconds


def test_redirects_are_followed_and_asked_anew_for_each_try(server, store, make):
    server.host("/signed", DATA, sim.hang_up_after(100_000), sim.status(403))
    url = server.host("/f", b"", *[sim.redirect("/signed?x=%2f&sig=a%20b")] * 5)
    server.resources["/signed?x=%2f&sig=a%20b"] = server.resources["/signed"]
    assert stored(store, make().fetch(wanted(url))) == DATA
    assert len(server.requests("/f")) == 3, "an expired signed place is asked for again at the first url"
    assert "range" in server.requests("/signed")[2]


def test_a_loop_of_redirects_ends(server, make):
    url = server.host("/f", b"", *[sim.redirect("/f")] * 20)
    with pytest.raises(NetworkError, match="more than 5 redirects"):
        make().fetch(wanted(url))


def test_no_password_of_one_host_is_sent_to_another(server, store, make):
    with sim.FaultyServer() as other:
        target = other.host("/f", DATA)
        url = server.host("/f", b"", sim.redirect(target)).replace("//", "//user:secret@")
        assert stored(store, make().fetch(wanted(url))) == DATA
        assert "authorization" in server.requests("/f")[0]
        assert "authorization" not in other.requests("/f")[0]


def test_messages_hold_no_password_and_no_signature(server, make, sink):
    url = server.host("/f?sig=secret", DATA, sim.status(404)).replace("//", "//user:secret@")
    with pytest.raises(NetworkError) as caught:
        make().fetch(wanted(url))
    assert "secret" not in caught.value.message + repr(sink.events)


@pytest.mark.parametrize("url", ["http://example.com/f", "ftp://example.com/f", "no url", "https://["])
def test_a_url_without_tls_or_sense_is_refused_before_anything_is_sent(make, url):
    with pytest.raises(NetworkError):
        make().fetch(wanted(url))


def test_the_next_place_is_tried_at_once(server, store, make):
    bad = server.host("/bad", DATA, *[sim.status(503)] * 9)
    good = server.host("/good", DATA)
    assert stored(store, make().fetch(wanted(bad, good))) == DATA
    assert len(server.requests("/bad")) == 1


def test_the_next_place_never_continues_the_bytes_of_another(server, store, make):
    one = server.host("/one", DATA, sim.hang_up_after(100_000), *[sim.status(404)] * 2)
    two = server.host("/two", DATA)
    assert stored(store, make().fetch(wanted(one, two))) == DATA
    assert "range" not in server.requests("/two")[0]


def test_a_mirror_comes_first_and_a_wrong_file_there_is_a_warning(server, store, make, sink):
    server.host("/mirror/f.bin", b"x" * len(DATA))
    url = server.host("/f", DATA)
    assert stored(store, make(mirrors=[server.url("/mirror/")]).fetch(wanted(url))) == DATA
    assert len(server.requests("/mirror/f.bin")) == 1
    assert len(sink.warnings()) == 1
    assert "/mirror/f.bin" in sink.warnings()[0]


def test_a_mirror_without_the_file_is_passed_over_quietly(server, store, make, sink):
    url = server.host("/f", DATA)
    assert stored(store, make(mirrors=[server.url("/mirror")]).fetch(wanted(url))) == DATA
    assert sink.warnings() == []


@pytest.mark.parametrize("form", ["folder", "url"])
def test_a_folder_is_a_mirror_even_offline(store, make, tmp_path, form):
    (tmp_path / "my mirror").mkdir()
    (tmp_path / "my mirror" / "f.bin").write_bytes(DATA)
    mirror = str(tmp_path / "my mirror") if form == "folder" else (tmp_path / "my mirror").as_uri()
    blob = make(offline=True, mirrors=[mirror]).fetch(wanted("https://example.com/f"))
    assert stored(store, blob) == DATA
    assert (tmp_path / "my mirror" / "f.bin").exists()


def test_a_file_url_is_copied_and_checked(store, make, tmp_path):
    (tmp_path / "f").write_bytes(DATA)
    assert stored(store, make().fetch(wanted((tmp_path / "f").as_uri()))) == DATA
    with pytest.raises(IntegrityError):
        make().fetch(wanted((tmp_path / "f").as_uri(), data=b"other"))
    with pytest.raises(NetworkError, match="does not exist"):
        make().fetch(wanted((tmp_path / "absent").as_uri(), data=b"other"))


def test_offline_names_the_url_and_how_to_bring_the_file(make):
    with pytest.raises(OfflineError, match=r"https://example\.com/f") as caught:
        make(offline=True).fetch(wanted("https://example.com/f"))
    assert "ENGINE_PIPELINE_MIRROR" in caught.value.hint


def test_a_stored_file_of_another_size_is_set_aside_and_brought_anew(server, store, make):
    url = server.host("/f", DATA)
    blob = make().fetch(wanted(url))
    store.blob_path(blob.sha256).write_bytes(DATA[:-1])
    assert stored(store, make().fetch(wanted(url))) == DATA


def test_a_full_disk_keeps_the_partial_file(server, small_disk, sink):
    data = os.urandom(3 << 20)
    store = FileStore(small_disk / "cache")
    url = server.host("/f", data)
    downloader = HttpDownloader(store, offline=False, events=sink, clock=SystemClock(), policy=QUICK)
    with pytest.raises(NoSpaceError):
        downloader.fetch(wanted(url, data=data))
    downloader.close()
    assert partials(store) == [".json", ".part"]


FETCH = """
import sys
from pathlib import Path
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.download_errors import DeadlineError, TooSlowError
from pipeline.system.rate_limits import RateLimitError
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
class Sink:
    def emit(self, event): pass
cache, url, sha256, size = sys.argv[1:]
downloader = HttpDownloader(FileStore(Path(cache)), offline=False, events=Sink(), clock=SystemClock())
print(downloader.fetch(DownloadRequest("it", (url,), sha256, int(size), "f")).size_bytes)
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the parent's memory from before the exec
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def fetch_elsewhere(store, url, data=DATA):
    argv = [sys.executable, "-c", FETCH, store.cache_dir, url, sha256_bytes(data), str(len(data))]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def test_two_processes_fetch_one_file_once(server, store):
    url = server.host("/f", DATA, sim.drip(0.02, piece=20_000))
    children = [fetch_elsewhere(store, url) for _ in range(2)]
    for child in children:
        out, err = child.communicate(timeout=20)
        assert child.returncode == 0, err
        assert out.split()[0] == str(len(DATA))
    assert len(server.requests("/f")) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_is_continued_by_the_next_process(server, store, make, number):
    url = server.host("/f", DATA, sim.drip(0.05, piece=20_000))
    child = fetch_elsewhere(store, url)
    part = store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.part"
    wait_for(lambda: part.exists() and part.stat().st_size >= 60_000)
    child.send_signal(number)
    child.communicate(timeout=10)
    kept = part.stat().st_size
    assert stored(store, make().fetch(wanted(url))) == DATA
    assert server.requests("/f")[1]["range"] == f"bytes={kept}-"


def test_a_large_file_takes_little_memory(server, store):
    data = bytes(120 << 20)
    child = fetch_elsewhere(store, server.host("/f", data), data)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert int(out.split()[1]) < 70


def test_another_thread_waits_and_says_so(server, store, make, sink):
    url = server.host("/f", DATA, sim.drip(0.02, piece=40_000))
    blobs = []
    threads = [threading.Thread(target=lambda: blobs.append(make().fetch(wanted(url)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(blobs) == 2
    assert len(server.requests("/f")) == 1
    assert any("another process" in event.message for event in sink.events)


def test_a_small_document_is_read_and_404_is_none(server, make):
    url = server.host("/index.json", b"{}", sim.status(500))
    assert make().read_small(url, limit_bytes=10) == b"{}"
    assert make().read_small(server.url("/absent"), limit_bytes=10) is None


def test_a_small_document_that_is_not_small_is_refused(server, make, tmp_path):
    with pytest.raises(IntegrityError, match="longer than 10 bytes"):
        make().read_small(server.host("/x", b"", sim.endless()), limit_bytes=10)
    (tmp_path / "x").write_bytes(bytes(11))
    with pytest.raises(IntegrityError):
        make().read_small((tmp_path / "x").as_uri(), limit_bytes=10)
    assert make().read_small((tmp_path / "x").as_uri(), limit_bytes=11) == bytes(11)
    assert make().read_small((tmp_path / "absent").as_uri(), limit_bytes=11) is None


def test_a_small_document_needs_the_network(make):
    with pytest.raises(OfflineError):
        make(offline=True).read_small("https://example.com/x", limit_bytes=10)


def test_no_server_at_all_is_a_network_error(make):
    with sim.FaultyServer() as gone:
        url = gone.host("/f", DATA)
    with pytest.raises(NetworkError):
        make().fetch(wanted(url))
    with pytest.raises(NetworkError):
        make().read_small(url, limit_bytes=10)


def test_a_certificate_that_is_not_trusted_is_said_to_be_one(make, tmp_path):
    import ssl  # noqa: PLC0415

    made = make_certificates(tmp_path)
    with sim.FaultyServer() as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.server, made.key)
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.host("/f", DATA).replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(NetworkError, match="TLS") as caught:
            make().fetch(wanted(url))
        assert "SSL_CERT_FILE" in caught.value.hint
        assert make(ca_file=str(made.authority)).fetch(wanted(url)).size_bytes == len(DATA)
