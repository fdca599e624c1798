from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import HostError
from pipeline.model.strategy_runs import LinkProfile
from pipeline.ports import Command
from pipeline.system import link_relay
from pipeline.system.links import LocalLinks
from pipeline.system.processes import ProcessRunner
from tests.simulators.link_rights import may_relay

ROUND_TRIP_MS = 60.0
LINK = LinkProfile(name="test", title="test", bits_per_second=20_000_000, round_trip_ms=ROUND_TRIP_MS, loss=0.0)
SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", self.path[1:]); self.end_headers()
        self.wfile.write(b"x" * int(self.path[1:]))
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 0), Answer)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
CLIENT = """
import sys, time, urllib.request
for size in sys.argv[2:]:
    began = time.monotonic()
    got = urllib.request.urlopen(f"http://{sys.argv[1]}/{size}", timeout=60).read()
    print(len(got), time.monotonic() - began)
"""
REACH = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)
except OSError as error:
    sys.exit(str(error))
"""


needs_relay = pytest.mark.skipif(not may_relay(), reason="no link of packets can be made here")
MAKERS = ["throttle", pytest.param("relay", marks=needs_relay)]


@pytest.fixture
def commands():
    return ProcessRunner()


def program(text: str, *arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-c", text, *map(str, arguments))


@contextmanager
def served(link, commands):
    server = commands.start(Command(link.at_server(program(SERVER, link.address)), cwd=Path("/"), env={}))
    try:
        deadline = time.monotonic() + 30
        while not server.output() and time.monotonic() < deadline:
            time.sleep(0.02)
        with link.way_to(int(server.output()[0])) as reached:
            yield reached
    finally:
        server.stop(grace_seconds=0)


def ask(link, commands, reached, *sizes):
    """Return (bytes, seconds) of each answer."""
    outcome = commands.run(Command(link.at_client(program(CLIENT, reached, *sizes)), cwd=Path("/"), env={}))
    assert outcome.exit_code == 0, outcome.tail
    return [(int(line.split()[0]), float(line.split()[1])) for line in outcome.tail]


@pytest.mark.parametrize("maker", MAKERS)
def test_an_answer_over_a_link_takes_its_round_trips_and_its_rate(commands, maker):
    size = 2_000_000
    with LocalLinks(commands).link(LINK, maker=maker) as link, served(link, commands) as reached:
        assert (link.made.maker, link.made.why) == (maker, "asked for")
        (_, small), (got, large) = ask(link, commands, reached, 1, size)
    assert small >= 2 * ROUND_TRIP_MS / 1000  # one to be connected, one for the answer
    assert got == size
    assert large >= size * 8 / LINK.bits_per_second


@pytest.mark.parametrize("maker", MAKERS)
def test_connections_share_the_rate_of_a_link(commands, maker):
    size = 500_000
    with LocalLinks(commands).link(LINK, maker=maker) as link, served(link, commands) as reached:
        began = time.monotonic()
        both = [commands.start(Command(link.at_client(program(CLIENT, reached, size)), Path("/"), {})) for _ in "ab"]
        for one in both:
            while one.exit_code() is None:
                time.sleep(0.01)
            one.stop(grace_seconds=0)
        assert time.monotonic() - began >= 2 * size * 8 / LINK.bits_per_second


@needs_relay
def test_from_the_near_end_of_a_relay_nothing_but_the_far_end_is_reached(commands):
    with LocalLinks(commands).link(LINK, maker="relay") as link, served(link, commands) as reached:
        host, port = reached.split(":")
        for address, is_there in ((host, True), ("198.51.100.1", False)):
            argv = link.at_client(program(REACH, address, port))
            assert (commands.run(Command(argv, cwd=Path("/"), env={})).exit_code == 0) is is_there


@needs_relay
def test_a_relay_loses_the_share_of_packets_that_it_was_told(commands):
    lossy = LINK.model_copy(update={"loss": 0.5, "round_trip_ms": 1.0})
    text = (
        "import socket, sys, time\n"
        "end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "if sys.argv[1] == 'listen':\n"
        "    end.bind((sys.argv[2], 4000)); end.settimeout(3); print('up', flush=True); count = 0\n"
        "    try:\n"
        "        while end.recv(100): count += 1\n"
        "    except TimeoutError: print(count, flush=True)\n"
        "else:\n"
        "    for _ in range(400): end.sendto(b'x', (sys.argv[2], 4000)); time.sleep(0.001)\n"
    )
    with LocalLinks(commands).link(lossy, maker="relay") as link:
        argv = link.at_server(program(text, "listen", link.address))
        listener = commands.start(Command(argv, cwd=Path("/"), env={}))
        while not listener.output():
            time.sleep(0.02)
        assert commands.run(Command(link.at_client(program(text, "send", link.address)), Path("/"), {})).exit_code == 0
        while listener.exit_code() is None:
            time.sleep(0.05)
        listener.stop(grace_seconds=0)
        assert 120 < int(listener.output()[-1]) < 280  # six deviations around 200


@needs_relay
def test_a_link_is_gone_with_its_processes(commands):
    with LocalLinks(commands).link(LINK, maker="relay") as link:
        pids = (link.server_pid, link.client_pid)
        assert all(Path(f"/proc/{pid}").is_dir() for pid in pids)
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


class WithoutRights:
    """Runs programs as they are on a host that makes no namespaces: the relay says so and ends."""

    def __init__(self, runner):
        self._runner = runner

    def start(self, command, *, log_path=None):
        if "link_relay.py" in " ".join(command.argv):
            refusing = 'import sys; print(\'{"refused": "unshare: Operation not permitted"}\'); sys.exit(97)'
            command = Command((sys.executable, "-c", refusing), command.cwd, command.env)
        return self._runner.start(command, log_path=log_path)

    def run(self, *arguments, **options):
        return self._runner.run(*arguments, **options)


def test_a_host_without_namespaces_gets_the_throttle_and_is_told_why(commands):
    with LocalLinks(WithoutRights(commands)).link(LINK) as link:
        assert link.made.maker == "throttle"
        assert "Operation not permitted" in link.made.why


def test_a_relay_that_was_asked_for_and_cannot_be_made_is_an_error(commands):
    with pytest.raises(HostError) as failure, LocalLinks(WithoutRights(commands)).link(LINK, maker="relay"):
        pass
    assert "throttle" in failure.value.hint


def test_a_host_without_tc_has_no_netem_and_says_what_lacks(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert link_relay._why_no_netem() == "there is no ip and no tc here"


def test_a_kernel_without_netem_says_what_tc_said(monkeypatch, tmp_path):
    for name in ("ip", "tc"):
        tool = tmp_path / name
        tool.write_text("#!/bin/sh\necho 'Error: Specified qdisc kind is unknown.' >&2\nexit 2\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    assert "Specified qdisc kind is unknown" in link_relay._why_no_netem()
