"""Downloads from the machine's nginx, over TLS with a private authority, over HTTP/2 and through a proxy."""

import dataclasses
import os

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import NetworkError
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import RangePolicy, TransferPolicy
from tests.simulators import http_server as sim
from tests.simulators.certificates import make_certificates
from tests.simulators.nginx import PROGRAM, Nginx, free_port
from tests.simulators.proxy import Proxy

DATA = os.urandom(6 << 20)
SMALL = b"{}" * 100
EAGER = RangePolicy(
    connections=4, from_bytes=1, after_seconds=0.0, ramp_seconds=0.0, window_seconds=0.0, clear_gain=0.0,
    when_left_seconds=0.0, one_stream_bytes_per_second=1e12, smallest_bytes=100_000, largest_bytes=1_000_000,
)  # fmt: skip
QUICK = TransferPolicy(
    tries=3, backoff_seconds=0.005, backoff_limit_seconds=0.02, read_timeout_seconds=5.0, ranges=EAGER
)
needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed (apt install nginx-light)")


class Sink:
    def emit(self, event):
        pass


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "f.bin").write_bytes(DATA)
    (folder / "small.json").write_bytes(SMALL)
    return folder


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "cache")


@pytest.fixture
def make(store):
    made = []

    def downloader(**options):
        made.append(HttpDownloader(store, **{
            "offline": False, "events": Sink(), "clock": SystemClock(), "policy": QUICK, **options,
        }))  # fmt: skip
        return made[-1]

    yield downloader
    for one in made:
        one.close()


def nginx(tmp_path, served, **options):
    return Nginx(tmp_path / "nginx", root=served, listen=f"127.0.0.1:{free_port()}", **options)


def wanted(*urls, data=DATA, filename="f.bin"):
    return DownloadRequest("the file", urls, sha256_bytes(data), len(data), filename)


def stored(store, blob):
    with store.open_blob(blob) as stream:
        return stream.read()


@needs_nginx
def test_a_plain_mirror_comes_first(tmp_path, served, store, make):
    with nginx(tmp_path, served) as mirror:
        one = make(mirrors=[mirror.url("")])
        assert stored(store, one.fetch(wanted("https://127.0.0.1:9/f.bin"))) == DATA


@needs_nginx
def test_a_mirror_that_limits_each_connection_is_asked_over_several(tmp_path, served, store, make):
    with nginx(tmp_path, served, extra="limit_rate 2m;") as server:
        assert stored(store, make().fetch(wanted(server.url("/f.bin")))) == DATA
    statuses = [line.split()[1] for line in server.requests()]
    assert statuses.count("200") == 1
    assert statuses.count("206") >= 3


@needs_nginx
@pytest.mark.parametrize("extra", [
    "limit_rate 4m; limit_conn each 1; limit_conn_status 429;", "limit_rate 4m; max_ranges 0;",
], ids=["one connection", "no ranges"])  # fmt: skip
def test_a_server_that_bears_one_connection_only_sends_the_file_once(tmp_path, served, store, make, extra):
    with nginx(tmp_path, served, extra=extra) as server:
        assert stored(store, make().fetch(wanted(server.url("/f.bin")))) == DATA
    lines = [line.split() for line in server.requests()]
    assert [line[-1] for line in lines if line[1] == "200" and line[-1] == str(len(DATA))] == [str(len(DATA))]
    assert not [line for line in lines if line[1] == "206"]


@needs_nginx
def test_a_broken_transfer_is_continued(tmp_path, served, store, make):
    with nginx(tmp_path, served) as server:
        url = server.url("/f.bin")
        begun = store.cache_dir / "partials" / f"{sha256_bytes(DATA)}.part"
        begun.write_bytes(DATA[:1_000_000])
        made = (served / "f.bin").stat()
        tag = f'\\"{int(made.st_mtime):x}-{made.st_size:x}\\"'
        begun.with_suffix(".json").write_text(f'{{"url": "{url}", "tag": "{tag}"}}')
        policy = dataclasses.replace(QUICK, ranges=RangePolicy())
        assert stored(store, make(policy=policy).fetch(wanted(url))) == DATA
    assert [line.split()[1] for line in server.requests()] == ["206"]


@needs_nginx
def test_small_documents_come_over_http_2_and_large_files_over_http_1(tmp_path, served, store, make):
    made = make_certificates(tmp_path)
    with nginx(tmp_path, served, tls=(made.server, made.key), extra="limit_rate 4m;") as server:
        one = make(ca_file=str(made.authority))
        assert one.read_small(server.url("/small.json"), limit_bytes=1000) == SMALL
        assert stored(store, one.fetch(wanted(server.url("/small.json"), data=SMALL, filename="small"))) == SMALL
        assert stored(store, one.fetch(wanted(server.url("/f.bin")))) == DATA
    protocols = [(line.split()[0], "f.bin" in line) for line in server.requests()]
    assert protocols[:2] == [("HTTP/2.0", False)] * 2
    assert set(protocols[2:]) == {("HTTP/1.1", True)}
    assert len(protocols) > 4, "parts over TLS too"


@needs_nginx
def test_a_range_over_http_2_is_a_range(tmp_path, served, make):
    made = make_certificates(tmp_path)
    with nginx(tmp_path, served, tls=(made.server, made.key)) as server:
        client = make(ca_file=str(made.authority))._client
        with client.get(server.url("/f.bin"), {"Range": "bytes=100000-299999"}, http2=True) as answer:
            assert (answer.response.http_version, answer.response.status_code) == ("HTTP/2", 206)
            assert b"".join(answer.blocks()) == DATA[100_000:300_000]


@needs_nginx
@pytest.mark.parametrize("fault", ["authority", "expired", "name"])
def test_a_certificate_that_is_not_right_is_refused(tmp_path, served, make, fault):
    made = make_certificates(tmp_path, expired=fault == "expired", host="other" if fault == "name" else "localhost")
    with nginx(tmp_path, served, tls=(made.server, made.key)) as server:
        one = make(**({} if fault == "authority" else {"ca_file": str(made.authority)}))
        for ask in (
            lambda: one.fetch(wanted(server.url("/f.bin"))),
            lambda: one.read_small(server.url("/small.json"), limit_bytes=1000),
        ):
            with pytest.raises(NetworkError, match=r"(?i)certificate|TLS"):
                ask()


@needs_nginx
def test_https_never_becomes_http(tmp_path, served, store, make):
    made = make_certificates(tmp_path)
    with sim.FaultyServer() as plain:
        away = f"location /away {{ return 302 {plain.host('/f', DATA)}; }} location /on {{ return 302 /f.bin; }}"
        with nginx(tmp_path, served, tls=(made.server, made.key), extra=away) as server:
            one = make(ca_file=str(made.authority))
            with pytest.raises(NetworkError, match="from https to http"):
                one.fetch(wanted(server.url("/away")))
            with pytest.raises(NetworkError, match="from https to http"):
                one.read_small(server.url("/away"), limit_bytes=10)
            assert stored(store, one.fetch(wanted(server.url("/on")))) == DATA
        assert plain.requests("/f") == []


def test_a_server_that_speaks_no_tls_is_a_network_error(make):
    with sim.FaultyServer() as server:
        url = server.host("/f", DATA).replace("http:", "https:")
        with pytest.raises(NetworkError):
            make().fetch(wanted(url))


def no_proxy_for_nobody(monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("credentials", [None, "user:secret"])
def test_a_forward_proxy_is_used_for_http(store, make, monkeypatch, credentials):
    no_proxy_for_nobody(monkeypatch)
    with sim.FaultyServer() as server, Proxy(credentials=credentials) as proxy:
        url = server.host("/f", DATA)
        login = f"{credentials}@" if credentials else ""
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", f"//{login}"))
        assert stored(store, make().fetch(wanted(url))) == DATA
        assert proxy.asked[0] == f"GET {url} HTTP/1.1"
        assert "proxy-authorization" not in server.requests("/f")[0]


@needs_nginx
def test_a_tunnel_is_made_for_https_and_parts_go_through_it(tmp_path, served, store, make, monkeypatch):
    no_proxy_for_nobody(monkeypatch)
    made = make_certificates(tmp_path)
    with nginx(tmp_path, served, tls=(made.server, made.key), extra="limit_rate 2m;") as server, Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        one = make(ca_file=str(made.authority))
        assert stored(store, one.fetch(wanted(server.url("/f.bin")))) == DATA
        assert len(proxy.asked) > 1
        assert set(proxy.asked) == {f"CONNECT {server.listen} HTTP/1.1"}


def test_a_proxy_that_refuses_is_named_as_the_reason(make, monkeypatch):
    no_proxy_for_nobody(monkeypatch)
    with sim.FaultyServer() as server, Proxy(credentials="user:secret") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(NetworkError, match="407"):
            make().fetch(wanted(server.host("/f", DATA)))
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NetworkError, match="407"):
            make().fetch(wanted("https://127.0.0.1:9/f"))
