"""Many files at once, and what is never sent to whom."""

import subprocess
import sys
import threading
import time

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, NetworkError, OfflineError, PipelineError
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.http_client import HttpClient
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import TransferPolicy
from tests.simulators import http_server as sim

QUICK = TransferPolicy(tries=2, backoff_seconds=0.005, backoff_limit_seconds=0.02, read_timeout_seconds=5.0)
FILES = [bytes([number]) * (50_000 + number) for number in range(12)]


class Sink:
    def emit(self, event):
        pass


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


def wanted(url, data, find_urls=None):
    urls = (url,) if url else ()
    return DownloadRequest("a file", urls, sha256_bytes(data), len(data), "f", find_urls)


def test_files_come_in_the_order_of_the_requests_with_one_account_of_the_bytes(server, downloader):
    requests = [wanted(server.host(f"/{number}", data), data) for number, data in enumerate(FILES)]
    seen = []
    blobs = downloader.fetch_all(requests, jobs=4, progress=lambda *now: seen.append((threading.get_ident(), *now)))
    assert [blob.sha256 for blob in blobs] == [sha256_bytes(data) for data in FILES]
    total = sum(map(len, FILES))
    assert seen[-1] == (threading.get_ident(), total, total)
    assert {thread for thread, _, _ in seen} == {threading.get_ident()}
    assert downloader.fetch_all([], jobs=4) == ()


def test_no_more_files_than_jobs_are_asked_for_at_once(server, downloader):
    now, most, lock = [0], [0], threading.Lock()

    def counted(x):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        x.proper()

    requests = [wanted(server.host(f"/{number}", data, counted), data) for number, data in enumerate(FILES)]
    downloader.fetch_all(requests, jobs=3)
    assert 2 <= most[0] <= 3


def test_the_first_failure_ends_the_others_and_what_came_is_kept(server, store, downloader):
    slow = b"s" * 2_000_000
    requests = [
        wanted(server.host("/whole", FILES[0]), FILES[0]),
        wanted(server.host("/slow", slow, sim.drip(0.05, piece=10_000)), slow),
        wanted(server.host("/bad", FILES[1], *[sim.other_body(b"?" * len(FILES[1]))] * 9), FILES[1]),
        *[wanted(server.host(f"/later{number}", data), data) for number, data in enumerate(FILES[2:])],
    ]

    def bad_comes_late(x):
        part = store.cache_dir / "partials" / f"{sha256_bytes(slow)}.part"
        while not (part.exists() and part.stat().st_size and store.has_blob(sha256_bytes(FILES[0]))):
            time.sleep(0.01)
        x.answer(200, b"?" * len(FILES[1]))

    server.resources["/bad"].faults.insert(0, bad_comes_late)
    with pytest.raises(IntegrityError):
        downloader.fetch_all(requests, jobs=3)
    assert store.has_blob(sha256_bytes(FILES[0]))
    assert (store.cache_dir / "partials" / f"{sha256_bytes(slow)}.part").stat().st_size > 0
    assert downloader.fetch(requests[1]).size_bytes == len(slow)
    assert "range" in server.requests("/slow")[1]


def test_one_file_asked_for_twice_is_brought_once(server, downloader):
    url = server.host("/f", FILES[0], sim.drip(0.02, piece=5000))
    one, two = downloader.fetch_all([wanted(url, FILES[0])] * 2, jobs=2)
    assert one == two
    assert len(server.requests("/f")) == 1


def test_urls_are_looked_up_only_when_no_other_place_has_the_file(server, store, downloader, tmp_path):
    asked = []

    def find():
        asked.append(1)
        return (server.host("/found", FILES[1]),)

    downloader.fetch(wanted(server.host("/f", FILES[0]), FILES[0], find))
    assert asked == []
    assert downloader.fetch(wanted("", FILES[1], find)).sha256 == sha256_bytes(FILES[1])
    assert asked == [1]
    stale = HttpDownloader(
        store, offline=False, events=Sink(), clock=SystemClock(), policy=QUICK, mirrors=[str(tmp_path)]
    )
    (tmp_path / "f").write_bytes(FILES[3])
    url = server.host("/right", FILES[2])
    assert stale.fetch(wanted("", FILES[2], lambda: (url,))).sha256 == sha256_bytes(FILES[2]), "a stale mirror"


def test_the_error_of_a_look_up_is_the_error(downloader):
    def find():
        raise OfflineError("no index")

    with pytest.raises(OfflineError, match="no index"):
        downloader.fetch(wanted("", FILES[0], find))


SECRETS = {"Authorization": "Bearer secret", "cookie": "secret=1", "Proxy-Authorization": "secret"}


def test_a_token_goes_to_the_host_it_is_for_and_to_no_other(server):
    client = HttpClient(QUICK)
    with sim.FaultyServer() as other:  # the same address with another port is another origin
        other.host("/end", b"x")
        other.host("/back", b"", sim.redirect(server.url("/last")))
        server.host("/last", b"x")
        server.host("/near", b"x")
        server.host("/here", b"", sim.redirect("/near"))
        with client.get(server.url("/here"), SECRETS) as answer:
            assert answer.redirected
        assert server.requests("/near")[0]["authorization"] == "Bearer secret"
        server.host("/away", b"", sim.redirect(other.url("/end")))
        with client.get(server.url("/away"), SECRETS | {"X-Other": "1"}):
            pass
        assert server.requests("/away")[0]["authorization"] == "Bearer secret"
        assert not {name.lower() for name in SECRETS} & set(other.requests("/end")[0])
        assert other.requests("/end")[0]["x-other"] == "1"
        server.host("/around", b"", sim.redirect(other.url("/back")))
        with client.get(server.url("/around"), SECRETS):
            pass
        assert "authorization" not in server.requests("/last")[0], "what was dropped on the way stays dropped"
        localhost = server.url("/near").replace("127.0.0.1", "localhost")
        server.host("/named", b"", sim.redirect(localhost))
        with client.get(server.url("/named"), SECRETS):
            pass
        assert "authorization" not in server.requests("/near")[1], "another name is another origin"
    client.close()


def test_no_cookie_of_a_server_is_ever_sent_back(server):
    client = HttpClient(QUICK)
    url = server.host("/f", b"x", sim.status(200, {"Set-Cookie": "a=b"}), sim.proper)
    for _ in range(2):
        with client.get(url, {}):
            pass
    assert "cookie" not in server.requests("/f")[1]
    client.close()


def test_the_location_of_a_redirect_is_asked_for_as_it_is_spelled(server, downloader):
    signed = "/get?a=%2F%2f&b=x+y&c=%41&sig=Zm9v%3D"
    server.host(signed, FILES[0])
    assert downloader.fetch(wanted(server.host("/f", b"", sim.redirect(signed)), FILES[0])).size_bytes == 50_000


def test_a_small_document_has_a_deadline(server, store):
    policy = TransferPolicy(deadline_seconds=0.3)
    one = HttpDownloader(store, offline=False, events=Sink(), clock=SystemClock(), policy=policy)
    url = server.host("/index.json", b"x" * 100_000, sim.drip(0.05, piece=1000))
    with pytest.raises(NetworkError, match="did not come within"):
        one.read_small(url, limit_bytes=1 << 20)
    one.close()


OFFLINE = """
import sys
def watch(event, arguments):
    if event.startswith("socket."):
        print("SOCKET", event, arguments, flush=True)
        raise SystemExit(99)
sys.addaudithook(watch)
from pathlib import Path
from pipeline.errors import OfflineError
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
class Sink:
    def emit(self, event): pass
cache, mirror, sha256, url = sys.argv[1:]
downloader = HttpDownloader(
    FileStore(Path(cache)), offline=True, events=Sink(), clock=SystemClock(), mirrors=[mirror, "https://127.0.0.1:9/m"]
)
here = DownloadRequest("it", (url,), sha256, None, "f")
assert downloader.fetch_all([here, here], jobs=2)[0].sha256 == sha256
assert downloader.fetch(here).sha256 == sha256
for ask in (
    lambda: downloader.fetch(DownloadRequest("it", (url,), "0" * 64, 5, "absent")),
    lambda: downloader.fetch_all([DownloadRequest("it", (url,), "0" * 64, 5, "absent")], jobs=2),
    lambda: downloader.read_small(url, limit_bytes=10),
):
    try:
        ask()
    except OfflineError as error:
        assert error.exit_code == 12 and url in error.message, error.message
    else:
        raise SystemExit(1)
"""


def test_offline_never_opens_a_socket(server, tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "f").write_bytes(FILES[0])
    argv = [sys.executable, "-c", OFFLINE, tmp_path / "cache", tmp_path / "mirror", sha256_bytes(FILES[0])]
    url = server.host("/f", FILES[0])
    done = subprocess.run([*argv, url], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    online = (
        OFFLINE.replace("offline=True", "offline=False").replace("[mirror, ", "[").replace("https://127.0.0.1:9", url)
    )
    seen = subprocess.run([*argv[:2], online, *argv[3:], url], capture_output=True, text=True, check=False, timeout=60)
    assert "SOCKET" in seen.stdout, "the hook sees what it has to see"


def test_two_processes_that_want_many_files_end_with_each_once(server, store):
    program = """
import sys
from pathlib import Path
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
class Sink:
    def emit(self, event): pass
cache, *files = sys.argv[1:]
requests = [DownloadRequest("it", (url,), sha256, None, "f") for url, sha256 in zip(files[::2], files[1::2])]
downloader = HttpDownloader(FileStore(Path(cache)), offline=False, events=Sink(), clock=SystemClock())
print(len(downloader.fetch_all(requests, jobs=4)))
"""
    files = []
    for number, data in enumerate(FILES[:6]):
        files += [server.host(f"/{number}", data, sim.drip(0.02, piece=10_000)), sha256_bytes(data)]
    children = [
        subprocess.Popen([sys.executable, "-c", program, store.cache_dir, *files], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [child.communicate(timeout=60)[0] for child in children] == ["6\n", "6\n"]
    assert [len(server.requests(f"/{number}")) for number in range(6)] == [1] * 6
    assert all(store.has_blob(sha256_bytes(data)) for data in FILES[:6])


def test_every_failure_of_a_download_is_one_of_the_project_s_errors(server, downloader):
    for number, fault in enumerate((sim.status(418), sim.status(200, {"Content-Length": "x"}), sim.reset_after(0))):
        data = f"{number}".encode() * 9
        with pytest.raises(PipelineError):
            downloader.fetch(wanted(server.host(f"/odd{number}", data, *[fault] * 9), data))
