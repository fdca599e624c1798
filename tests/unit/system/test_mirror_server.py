"""A served mirror as clients see it, and the same folder behind nginx."""

from __future__ import annotations

import dataclasses
import http.client
import os
import random
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from pipeline.digest import sha256_bytes
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import RangePolicy, TransferPolicy
from tests.simulators.certificates import make_certificates
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_world import Recorder
from tests.simulators.nginx import PROGRAM, Nginx, free_port

DATA = random.Random(1).randbytes(6 << 20)  # its digest is in the names of tests
SHA256 = sha256_bytes(DATA)
BLOB = f"/blobs/{SHA256[:2]}/{SHA256}"
EAGER = RangePolicy(
    connections=4, from_bytes=1, after_seconds=0.0, ramp_seconds=0.0, window_seconds=0.0, clear_gain=0.0,
    when_left_seconds=0.0, one_stream_bytes_per_second=1e12, smallest_bytes=100_000, largest_bytes=1_000_000,
)  # fmt: skip
POLICY = TransferPolicy(tries=3, backoff_seconds=0.005, backoff_limit_seconds=0.02, ranges=EAGER)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "mirror"
    files = {
        BLOB[1:]: DATA,
        "metadata/timestamp.json": b'{"signed": 1}',
        "lanes/airgap/metadata/timestamp.json": b'{"signed": 2}',
        "manifest.json": b"{}",
        "mirror.json": b"{}",
        "README.txt": b"read me",
        "installer/install.sh": b"#!/bin/sh\n",
        "models/tiny.gguf": b"GGUF" * 1000,
        ".mirror/root.json": b"private",
        ".mirror/lock": b"",
        "metadata/.hidden.json": b"private",
        "notes.txt": b"private",
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder.parent / "secret").write_bytes(b"secret")
    (folder / "models/outside.gguf").symlink_to(folder.parent / "secret")
    (folder / "installer/out").symlink_to(folder.parent)
    os.mkfifo(folder / "models/pipe")
    return folder


@contextmanager
def serving(home: Path, folder: Path, *options: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    user = CommandLine(home)
    process = user.start("mirror", "serve", folder, "--listen", "127.0.0.1:0", *options)
    try:
        url = process.stdout.readline().strip()
        assert url, process.stderr.read()
        yield url, process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def url(mirror, tmp_path_factory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("home"), mirror) as (url, _):
        yield url


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


def raw(url: str, target: str, *, method: str = "GET") -> tuple[int, bytes]:
    """Ask for a target as it is, without any tidying up."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.putrequest(method, target, skip_host=False, skip_accept_encoding=True)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_blob_has_its_digest_as_a_strong_tag_and_never_changes(url, client):
    answer = client.get(url + BLOB)
    assert answer.content == DATA
    assert answer.headers["etag"] == f'"{SHA256}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert "immutable" in answer.headers["cache-control"]
    assert "content-encoding" not in answer.headers


def test_metadata_is_asked_for_again_each_time(url, client):
    answer = client.get(f"{url}/metadata/timestamp.json")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["etag"] == f'"{sha256_bytes(answer.content)}"'
    known = client.get(f"{url}/metadata/timestamp.json", headers={"if-none-match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["lanes/airgap/metadata/timestamp.json", "manifest.json", "mirror.json", "README.txt", "installer/install.sh",
     "models/tiny.gguf"],
)  # fmt: skip
def test_what_is_for_others_is_served(url, client, mirror, path):
    answer = client.get(f"{url}/{path}")
    assert (answer.status_code, answer.content) == (200, (mirror / path).read_bytes())
    assert answer.headers["etag"].startswith('"')


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), (f"bytes={len(DATA) - 5}-", len(DATA) - 5, len(DATA)),
     ("bytes=-7", len(DATA) - 7, len(DATA)), (f"bytes=10-{10**12}", 10, len(DATA))],
)  # fmt: skip
def test_byte_ranges(url, client, asked, start, end):
    answer = client.get(url + BLOB, headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == DATA[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert answer.headers["etag"] == f'"{SHA256}"'


def test_a_range_beyond_the_end_is_none(url, client):
    answer = client.get(url + BLOB, headers={"range": f"bytes={len(DATA)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}"


@pytest.mark.parametrize(("tag", "status"), [(f'"{SHA256}"', 206), (f'W/"{SHA256}"', 200), ('"other"', 200)])
def test_a_range_of_another_version_is_the_whole_file(url, client, tag, status):
    answer = client.get(url + BLOB, headers={"range": "bytes=5-9", "if-range": tag})
    assert answer.status_code == status
    assert answer.content == (DATA[5:10] if status == 206 else DATA)


def test_head_says_the_same_and_sends_nothing(url, client):
    answer = client.head(url + BLOB)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["etag"] == f'"{SHA256}"'


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(url, client, method):
    answer = client.request(method, f"{url}/manifest.json")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


PRIVATE = [
    "/", "/.mirror/root.json", "/.mirror/lock", "/metadata/.hidden.json", "/notes.txt", "/metadata", "/metadata/",
    "/blobs/", "/models/outside.gguf", "/installer/out/secret", "/models/pipe", "/models/none.gguf",
    "/metadata/../.mirror/root.json", "/metadata/..%2f.mirror%2froot.json", "/models/%2e%2e/notes.txt",
    "/models/..%5c..%5csecret", "//manifest.json", "/%2fetc/passwd", "/../secret", "/models/tiny.gguf%00",
    "/models/tiny.gguf/", "/MANIFEST.JSON", f"/blobs/00/{SHA256}", "/%2emirror/root.json", "/models/./tiny.gguf",
]  # fmt: skip


@pytest.mark.parametrize("target", PRIVATE)
def test_nothing_else_is_served(url, target):
    status, body = raw(url, target)
    assert status == 404
    assert b"private" not in body
    assert b"secret" not in body


def test_several_clients_at_once_while_one_stalls(url, client):
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as stalled:
        stalled.sendall(f"GET {BLOB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())  # and never reads
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(client.get(url + BLOB).content)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == [DATA] * 8


def fetched_with_parts(url: str, folder: Path) -> tuple[bytes, HttpDownloader]:
    """Fetch the blob with the project's downloader, over several connections."""
    store = FileStore(folder)
    events = Recorder()
    downloader = HttpDownloader(store, offline=False, events=events, clock=SystemClock(), policy=POLICY)
    request = DownloadRequest("the blob", (url + BLOB,), SHA256, len(DATA), SHA256)
    with store.open_blob(downloader.fetch(request)) as stream:
        return stream.read(), downloader


def test_the_projects_downloader_takes_ranges_side_by_side(url, tmp_path):
    data, downloader = fetched_with_parts(url, tmp_path)
    downloader.close()
    assert data == DATA


def test_an_interrupted_download_goes_on_with_the_rest(url, mirror, tmp_path):
    store = FileStore(tmp_path)
    large = bytes(128 << 20)  # takes long enough that it can be interrupted
    sha256 = sha256_bytes(large)
    path = f"blobs/{sha256[:2]}/{sha256}"
    (mirror / path).parent.mkdir(exist_ok=True)
    (mirror / path).write_bytes(large)
    request = DownloadRequest("the blob", (f"{url}/{path}",), sha256, len(large), sha256)
    seen: list[int] = []

    def stop(done: int, _: int | None) -> None:
        if done > 0:
            raise KeyboardInterrupt

    one = dataclasses.replace(POLICY, ranges=dataclasses.replace(EAGER, connections=1))  # its bytes come in order
    downloader = HttpDownloader(store, offline=False, events=Recorder(), clock=SystemClock(), policy=one)
    with pytest.raises(KeyboardInterrupt):
        downloader.fetch(request, progress=stop)
    downloader.fetch(request, progress=lambda done, _: seen.append(done))
    downloader.close()
    assert seen[0] > 0
    assert seen[-1] == len(large)


@pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed (apt install nginx-light)")
def test_nginx_serves_the_same_folder_with_the_configuration_of_the_docs(mirror, client, tmp_path):
    docs = (Path(__file__).parents[3] / "docs/mirrors.md").read_text(encoding="utf-8")
    rules = docs.partition("```nginx\n")[2].partition("```")[0]
    assert "location" in rules
    with Nginx(tmp_path / "nginx", root=mirror, listen=f"127.0.0.1:{free_port()}", extra=rules) as nginx:
        base = nginx.url("")
        data, downloader = fetched_with_parts(base, tmp_path / "cache")
        downloader.close()
        assert data == DATA
        piece = client.get(base + BLOB, headers={"range": "bytes=5-9"})
        assert (piece.status_code, piece.content) == (206, DATA[5:10])
        for path in ("metadata/timestamp.json", "installer/install.sh", "manifest.json", "models/tiny.gguf"):
            assert client.get(f"{base}/{path}").content == (mirror / path).read_bytes()
        assert client.get(f"{base}/metadata/timestamp.json").headers["cache-control"] == "no-cache"
        for target in PRIVATE:
            status, body = raw(base, target)
            assert status in {301, 400, 403, 404} or target in {"//manifest.json", "/models/./tiny.gguf"}, target
            assert b"private" not in body
            assert b"secret" not in body


def test_https_with_a_certificate_of_ones_own(mirror, tmp_path):
    made = make_certificates(tmp_path)
    with serving(tmp_path, mirror, "--tls-cert", made.server, "--tls-key", made.key) as (url, _):
        assert url.startswith("https://")
        with httpx.Client(trust_env=False, verify=ssl.create_default_context(cafile=made.authority)) as client:
            assert client.get(f"{url}/README.txt").content == b"read me"


def test_ctrl_c_ends_it_with_code_130_and_open_connections_do_not_hold_it(mirror, tmp_path):
    with serving(tmp_path, mirror) as (url, process):
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port)) as stalled:
            stalled.sendall(f"GET {BLOB} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            os.killpg(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err


def test_a_port_that_is_taken_is_said(mirror, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = CommandLine(tmp_path).run("mirror", "serve", mirror, "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 5
    assert str(port) in done.stderr
    assert "--listen" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--listen", "8080"), ("--listen", "127.0.0.1:99999"), ("--listen", "127.0.0.1:x"), ("--listen", ":1"),
     ("--tls-cert", "a.pem"), ("--tls-cert", "a.pem", "--tls-key", "a.pem")],
)  # fmt: skip
def test_a_command_line_that_makes_no_sense_is_a_usage_error(mirror, tmp_path, arguments):
    done = CommandLine(tmp_path).run("mirror", "serve", mirror, *arguments)
    assert done.returncode == 2, done.stderr


def test_a_folder_that_is_no_mirror_is_not_served(tmp_path):
    assert CommandLine(tmp_path).run("mirror", "serve", tmp_path).returncode == 2
