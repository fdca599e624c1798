from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from pipeline.system import redis_greeting
from pipeline.system.redis_greeting import redis_fault


@contextlib.contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Serve one connection: each thing that it says is answered with the next of ``answers``."""
    asked: list[bytes] = []

    def serve() -> None:
        link, _ = server.accept()
        with link:
            for answer in answers:
                asked.append(link.recv(4096))
                link.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}", asked
        thread.join(5)


def test_a_server_that_answers_has_no_fault():
    with answering(b"+PONG\r\n") as (url, asked):
        assert redis_fault(url, username=None, password=None) is None
    assert asked == [b"*1\r\n$4\r\nPING\r\n"]


def test_user_and_password_are_sent_before_anything_else():
    with answering(b"+OK\r\n", b"+PONG\r\n") as (url, asked):
        assert redis_fault(url, username="ü", password="p w") is None  # noqa: S106 - made up
    assert asked[0] == b"*3\r\n$4\r\nAUTH\r\n$2\r\n\xc3\xbc\r\n$3\r\np w\r\n"


@pytest.mark.parametrize("answer", [b"-WRONGPASS invalid canary\r\n", b"-ERR invalid password\r\n"])
def test_a_wrong_password_is_named_as_that_and_not_shown(answer):
    with answering(answer) as (url, _):
        fault = redis_fault(url, username=None, password="canary")  # noqa: S106 - made up
    assert "password" in fault
    assert "canary" not in fault


def test_a_server_that_wants_a_password_and_gets_none_says_so():
    with answering(b"-NOAUTH Authentication required.\r\n") as (url, _):
        assert "password" in redis_fault(url, username=None, password=None)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\r\n", b"\xff" * 5000])
def test_what_is_no_redis_is_named_as_that(answer):
    with answering(answer) as (url, _):
        assert "no Redis" in redis_fault(url, username=None, password=None)


def test_a_server_that_is_loading_says_what_kind_of_trouble_it_has():
    with answering(b"-LOADING Redis is loading\r\n") as (url, _):
        assert redis_fault(url, username=None, password=None) == "it answers LOADING"


def test_nobody_there_is_a_fault():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
    assert "refused" in redis_fault(url, username=None, password=None)


@pytest.mark.parametrize("host", ["y" * 70, "a..b"])
def test_what_is_no_name_of_a_host_is_a_fault(host):
    assert "no name" in redis_fault(f"redis://{host}:1", username=None, password=None)


def test_a_password_of_any_bytes_is_sent_as_it_is():
    with answering(b"+OK\r\n", b"+PONG\r\n") as (url, asked):
        assert redis_fault(url, username=None, password="\udcff") is None  # noqa: S106 - made up
    assert asked[0] == b"*2\r\n$4\r\nAUTH\r\n$1\r\n\xff\r\n"


def test_a_mute_server_costs_its_time_and_no_more(monkeypatch):
    monkeypatch.setattr(redis_greeting, "_TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        assert "did not answer" in redis_fault(url, username=None, password=None)


def test_tls_is_not_left_away_in_silence():
    with answering(b"+PONG\r\n") as (url, _):
        assert redis_fault(url.replace("redis:", "rediss:"), username=None, password=None)
