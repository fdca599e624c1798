"""A server on loopback is asked directly, and its silence is no error."""

import json

import pytest

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
