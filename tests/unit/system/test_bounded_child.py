from __future__ import annotations

import os
import sys
import time

import pytest

from pipeline.system.bounded_child import ask

ENV = {"PATH": os.environ["PATH"]}


def test_stdout_is_the_answer_and_stderr_is_not():
    argv = ("sh", "-c", "echo warning >&2; echo answer; exit 3")
    assert ask(argv, env=ENV, seconds=10, limit_bytes=100) == (3, "answer\n", "")


def test_a_program_that_is_not_there_is_a_fault():
    answer = ask(("/no/such/program",), env=ENV, seconds=10, limit_bytes=100)
    assert answer.exit_code is None
    assert "/no/such/program cannot be run" in answer.fault


@pytest.mark.parametrize("script", ["sleep 100", "sleep 100 >&- 2>&-", "sleep 100 & wait"])
def test_a_program_that_hangs_is_killed_with_its_children(script):
    answer = ask(("sh", "-c", script), env=ENV, seconds=0.3, limit_bytes=100)
    assert (answer.exit_code, answer.fault) == (None, "it did not answer within 0.3 s")


def test_what_a_program_leaves_running_is_killed(tmp_path):
    answer = ask(
        ("sh", "-c", f"(sleep 100; echo late) & echo $! > {tmp_path / 'child'}; exec sleep 100"),
        env=ENV,
        seconds=0.5,
        limit_bytes=100,
    )
    assert answer.fault
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = (tmp_path.__class__(f"/proc/{child}/stat")).read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError("the child lives")


def test_endless_output_ends_it():
    answer = ask((sys.executable, "-c", "while True: print('x' * 1000)"), env=ENV, seconds=60, limit_bytes=5000)
    assert answer.fault == "it said too much"
    assert len(answer.text) < 100_000


def test_a_signal_is_a_negative_exit_code():
    assert ask(("sh", "-c", "kill -SEGV $$"), env=ENV, seconds=10, limit_bytes=100).exit_code == -11
