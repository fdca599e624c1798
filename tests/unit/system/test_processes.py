"""Programs run by themselves, say what they print, and never outlive us."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import HostError, NoSpaceError
from pipeline.ports import Command
from pipeline.system.processes import ProcessRunner

ENV = {"PATH": os.environ["PATH"], "A": "b"}


def shell(script, tmp_path, timeout=None):
    return Command(argv=("/bin/sh", "-c", script), cwd=tmp_path, env=ENV, timeout_seconds=timeout)


def alive(pid):
    """Tell whether a process runs (a zombie that nobody has reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds=8):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_output_of_both_streams_comes_in_order_with_a_last_line_without_end(tmp_path):
    lines = []
    outcome = ProcessRunner().run(
        shell("echo one; echo two >&2; printf 'three'", tmp_path),
        on_line=lines.append,
        log_path=tmp_path / "logs" / "x.log",
    )
    assert (outcome.exit_code, outcome.tail) == (0, ("one", "two", "three"))
    assert lines == ["one", "two", "three"]
    assert (tmp_path / "logs" / "x.log").read_text() == "one\ntwo\nthree"


def test_the_environment_is_exactly_what_was_given_and_there_is_nothing_to_read(tmp_path):
    code = "import os, sys; print(sorted(os.environ), sys.stdin.read() == '', os.getcwd())"
    outcome = ProcessRunner().run(
        Command(argv=(sys.executable, "-c", code), cwd=tmp_path, env={"A": "b", "LC_ALL": "C.UTF-8"})
    )  # fmt: skip
    assert outcome.tail == (f"['A', 'LC_ALL'] True {tmp_path}",)


def test_no_open_file_of_ours_is_inherited(tmp_path):
    with (tmp_path / "secret").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        outcome = ProcessRunner().run(shell("ls -l /proc/self/fd", tmp_path))
    assert not any("secret" in line for line in outcome.tail)


def test_bytes_that_are_no_utf8_are_replaced_and_logged_as_they_were(tmp_path):
    outcome = ProcessRunner().run(shell(r"printf 'a\377b\n'", tmp_path), log_path=tmp_path / "log")
    assert outcome.tail == ("a\ufffdb",)
    assert (tmp_path / "log").read_bytes() == b"a\xffb\n"


def test_only_the_last_200_lines_are_kept(tmp_path):
    tail = ProcessRunner().run(shell("seq 1 1000", tmp_path)).tail
    assert (len(tail), tail[0], tail[-1]) == (200, "801", "1000")


def test_a_line_without_end_does_not_fill_the_memory(tmp_path):
    outcome = ProcessRunner().run(shell("head -c 1000000 /dev/zero | tr '\\0' x", tmp_path))
    assert sum(map(len, outcome.tail)) == 1_000_000
    assert max(map(len, outcome.tail)) <= 1 << 16


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", -9)])
def test_the_exit_code_tells_how_it_ended(tmp_path, script, code):
    assert ProcessRunner().run(shell(script, tmp_path)).exit_code == code


@pytest.mark.parametrize("program", ["no-such-program", "/etc/passwd", "/"])
def test_a_program_that_cannot_be_run_is_a_host_error(tmp_path, program):
    with pytest.raises(HostError, match="cannot run"):
        ProcessRunner().run(Command(argv=(program,), cwd=tmp_path, env=ENV))


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(HostError, match="no such folder"):
        ProcessRunner().run(Command(argv=("/bin/true",), cwd=tmp_path / "x", env=ENV))


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path):
    outcome = ProcessRunner().run(shell("sleep 60 & echo $!; wait", tmp_path, timeout=0.4))
    assert outcome.exit_code == -signal.SIGTERM
    assert outcome.seconds < 5
    wait_for(lambda: not alive(int(outcome.tail[0])))


def test_a_program_that_ignores_the_request_to_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.system.processes._GRACE_SECONDS", 0.2)
    outcome = ProcessRunner().run(shell("trap '' TERM; while :; do sleep 0.05; done", tmp_path, timeout=0.2))
    assert outcome.exit_code == -signal.SIGKILL


def test_a_failure_in_a_callback_ends_the_program(tmp_path):
    def fail(line):
        raise RuntimeError(line)

    with pytest.raises(RuntimeError) as caught:
        ProcessRunner().run(shell("echo $$; sleep 60", tmp_path), on_line=fail)
    assert not alive(int(str(caught.value)))


def test_a_daemon_that_keeps_the_pipe_open_does_not_hold_us(tmp_path):
    started = time.monotonic()
    outcome = ProcessRunner().run(shell("setsid sleep 5 & echo done", tmp_path))
    assert outcome.tail == ("done",)
    assert time.monotonic() - started < 3


def test_a_full_disk_under_the_log_is_said(tmp_path, small_disk):
    with pytest.raises(NoSpaceError):
        ProcessRunner().run(shell("head -c 3000000 /dev/zero", tmp_path), log_path=small_disk / "log")


RUN_AND_REPORT = """
import os, sys
from pathlib import Path
from pipeline.ports import Command
from pipeline.system.processes import ProcessRunner
script = "sleep 60 & echo $! > pids.part; echo $$ >> pids.part; mv pids.part pids; wait"
ProcessRunner().run(Command(argv=("/bin/sh", "-c", script), cwd=Path(sys.argv[1]), env={"PATH": os.environ["PATH"]}))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_children_and_grandchildren_end_when_we_do(tmp_path, number):
    us = subprocess.Popen([sys.executable, "-c", RUN_AND_REPORT, tmp_path], stderr=subprocess.DEVNULL)
    wait_for((tmp_path / "pids").exists)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert all(map(alive, pids))
    us.send_signal(number)
    us.wait(10)
    wait_for(lambda: not any(map(alive, pids)))


def test_a_server_is_started_watched_and_stopped(tmp_path):
    server = ProcessRunner().start(shell("echo ready; sleep 60", tmp_path), log_path=tmp_path / "log")
    wait_for(lambda: server.output() == ("ready",))
    assert server.exit_code() is None
    assert server.stop(grace_seconds=2) == -signal.SIGTERM
    assert server.exit_code() == -signal.SIGTERM
    assert (tmp_path / "log").read_text() == "ready\n"
    assert server.stop(grace_seconds=0) == -signal.SIGTERM


def test_a_server_that_ends_by_itself_says_so(tmp_path):
    server = ProcessRunner().start(shell("echo bad model; exit 4", tmp_path))
    wait_for(lambda: server.exit_code() is not None)
    wait_for(lambda: server.output() == ("bad model",))
    assert server.stop(grace_seconds=1) == 4


def test_programs_run_at_once_from_several_threads(tmp_path):
    runner, outcomes = ProcessRunner(), []
    threads = [
        threading.Thread(target=lambda n=n: outcomes.append(runner.run(shell(f"echo {n}", tmp_path)).tail))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == [(str(n),) for n in range(8)]
