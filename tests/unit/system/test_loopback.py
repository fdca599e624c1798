"""A server on loopback is asked directly, and its silence is no error."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Self

import pytest

from pipeline.system.event_stream import read_events
from pipeline.system.loopback import LocalHttp
from tests.simulators import http_server as sim


@pytest.fixture
def server():
    with sim.FaultyServer() as running:
        yield running


def test_status_and_body_come_back(server):
    server.host("/health", b"ok", sim.status(503, body=b"loading"))
    first, second = (LocalHttp().get(server.port, "/health", timeout_seconds=2) for _ in range(2))
    assert (first.status, first.body) == (503, b"loading")
    assert (second.status, second.body) == (200, b"ok")


def test_json_is_posted(server):
    server.host("/v1", b"{}")
    answer = LocalHttp().post_json(server.port, "/v1", {"prompt": "ä"}, timeout_seconds=2)
    assert answer.status == 200
    assert json.loads(server.requests("/v1")[0][":body"]) == {"prompt": "ä"}


def test_no_proxy_is_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server.host("/x", b"direct")
    assert LocalHttp().get(server.port, "/x", timeout_seconds=2).body == b"direct"


def test_nobody_listening_and_a_late_answer_are_none(server):
    assert LocalHttp().get(LocalHttp().free_port(), "/", timeout_seconds=1) is None
    server.host("/slow", b"x" * 100, sim.silence(1))
    assert LocalHttp().get(server.port, "/slow", timeout_seconds=0.2) is None


class Stream:
    """A server that sends pieces as the test releases them, and counts nothing on its own."""

    def __init__(
        self, *pieces: bytes, content_type: str = "text/event-stream; charset=utf-8", status: int = 200
    ) -> None:
        self.may_go_on = threading.Event()
        self.ending = threading.Event()
        outer = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.end_headers()
                for number, piece in enumerate(pieces):
                    if number:
                        outer.may_go_on.wait(20)
                    self.wfile.write(piece)
                outer.ending.wait(20)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_go_on.set()
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()

    def read(self, *, timeout_seconds: float = 20, last: str = "[DONE]"):
        seen: list[str] = []

        def on_event(event: str) -> bool:
            seen.append(event)
            self.may_go_on.set()
            return event == last

        found = LocalHttp().post_for_events(
            self.port, "/v1", {"stream": True}, timeout_seconds=timeout_seconds, on_event=on_event
        )
        return found, seen


def test_an_event_is_told_before_the_next_one_is_sent():
    with Stream(b"data: 1\n\n", b"data: 2\n\ndata: [DONE]\n\n") as server:
        found, seen = server.read()
        assert seen == ["1", "2", "[DONE]"]  # the server waited for the first to be told
    assert (found.status, found.content_type, found.events, found.problem) == (
        200, "text/event-stream", ("1", "2", "[DONE]"), "")  # fmt: skip


def test_an_event_may_come_in_halves_and_in_several_lines():
    pieces = (b": comment\r\n\r\nid: 7\r\nda", b"ta: \xc3", b"\xa4\r\ndata:b\r\n\r\n", b"data: [DONE]\n\n")
    with Stream(*pieces) as server:
        server.may_go_on.set()
        assert server.read()[1] == ["ä\nb", "[DONE]"]


def test_a_stream_that_ends_without_its_last_event_has_what_came():
    with Stream(b"data: 1\n\ndata: half") as server:
        server.ending.set()
        found, _ = server.read()
    assert (found.events, found.problem) == (("1",), "")


def test_a_stream_that_falls_silent_is_left():
    with Stream(b"data: 1\n\n") as server:
        found, _ = server.read(timeout_seconds=0.3)
    assert (found.events, found.problem) == (("1",), "nothing came for 0.3 s")


def test_a_stream_without_end_is_left():
    def drops():
        while True:
            yield b"data: x\n\n"

    events, problem = read_events(drops(), timeout_seconds=0.05, on_event=lambda _: False)
    assert problem == "it did not end in 0.05 s"
    assert set(events) == {"x"}


def test_a_stream_that_is_too_large_is_left(monkeypatch):
    monkeypatch.setattr("pipeline.system.event_stream.LIMIT_BYTES", 100)
    endless = (b"x" * 60 for _ in range(10))
    assert read_events(endless, timeout_seconds=9, on_event=lambda _: False) == ((), "more than 100 bytes came")


def test_what_is_no_stream_is_not_read():
    with Stream(b"{}", content_type="application/json", status=404) as server:
        found, seen = server.read()
    assert (found.status, found.content_type, found.events, seen) == (404, "application/json", (), [])


def test_a_stream_of_nobody_is_none():
    port = LocalHttp().free_port()
    assert LocalHttp().post_for_events(port, "/", {}, timeout_seconds=1, on_event=lambda _: False) is None
