"""A process that is measured ends with whoever measures it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.gathering.command import PROJECT
from tests.gathering.launching import _LAUNCH, measured, running

SLEEPS = """
import os, signal, sys, time
from pathlib import Path
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
Path(sys.argv[1] + ".new").write_text(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(120)
"""
MEASURES = """
import os, sys
from tests.gathering.launching import ending_by_signals, measured
try:
    with ending_by_signals():
        measured([sys.executable, "-c", sys.argv[1], sys.argv[2]], env=os.environ)
except KeyboardInterrupt:
    sys.exit(130)
"""

ENDED_LATE = """
import os, signal, sys
wait4, kill = os.wait4, os.kill
def wait_and_be_ended(*arguments):
    found = wait4(*arguments)
    if found[0]:
        kill(os.getpid(), signal.SIGTERM)
    return found
def kill_and_tell(process, number):
    print("killed", process, file=sys.stderr)
    kill(process, number)
os.wait4, os.kill = wait_and_be_ended, kill_and_tell
"""


def appeared(path: Path, *, within: float = 120) -> str:
    until = time.monotonic() + within
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.02)
    return path.read_text()


def is_there(process: int) -> bool:
    """Tell whether a process runs; one that has ended and is not waited for does not."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def on_path() -> dict[str, str]:
    """Return a PATH with this Python first."""
    return {"PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


def test_wall_time_peak_memory_and_processor_time_are_those_of_the_program(environment):
    found = measured([sys.executable, "-c", "import time; x = bytearray(80 << 20); time.sleep(0.3)"], env=environment)
    assert found.seconds >= 0.3
    assert found.peak_mb > 80
    assert found.processor_seconds > 0


def test_a_program_that_fails_is_an_error(environment):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        measured([sys.executable, "-c", "raise SystemExit(3)"], env=environment)
    assert caught.value.returncode == 3


def test_what_it_prints_is_dropped_its_errors_are_shown_and_it_runs_where_it_is_told_to(environment, tmp_path, capfd):
    program = "import os, sys; print('dropped'); print('in', os.getcwd(), file=sys.stderr)"
    measured([Path(sys.executable).name, "-c", program], env=environment | on_path(), cwd=tmp_path)
    assert capfd.readouterr() == ("", f"in {tmp_path}\n")


@pytest.mark.parametrize("interrupted", [False, True], ids=["left", "interrupted"])
def test_a_process_has_ended_and_its_pipe_is_closed_when_it_is_left_however_that_is(environment, interrupted):
    sleeps = [sys.executable, "-S", "-c", _LAUNCH, sys.executable, "-c", "import time; time.sleep(120)"]
    with suppress(KeyboardInterrupt), running(sleeps, env=environment, stdout=subprocess.PIPE) as child:
        if interrupted:
            raise KeyboardInterrupt
    assert child.returncode == 128 + signal.SIGINT
    assert child.stdout.closed


def test_a_signal_that_comes_when_the_program_was_waited_for_kills_nothing(environment):
    launch = [sys.executable, "-S", "-c", ENDED_LATE + _LAUNCH, sys.executable, "-c", "pass"]
    found = subprocess.run(launch, env=environment, capture_output=True, check=False)
    assert found.stderr == b""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
@pytest.mark.parametrize("whole_group", [True, False], ids=["group", "alone"])
@pytest.mark.parametrize("in_background", [True, False], ids=["background", "foreground"])
def test_what_ends_the_measuring_program_ends_what_it_measures(
    tmp_path, environment, number, whole_group, in_background
):
    told = tmp_path / "started"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if in_background else signal.SIG_DFL)
    try:  # a shell has what it starts in the background ignore Ctrl-C
        measuring = subprocess.Popen(
            [sys.executable, "-c", MEASURES, SLEEPS, told], env=environment, cwd=PROJECT, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    child = int(appeared(told))
    try:
        (os.killpg if whole_group else os.kill)(measuring.pid, number)
        assert measuring.wait(timeout=60) == 130
        assert not is_there(child)
    finally:
        for process in (measuring.pid, child):
            if is_there(process):
                os.kill(process, signal.SIGKILL)
