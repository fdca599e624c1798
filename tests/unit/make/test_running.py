from __future__ import annotations

import sys

import pytest

from pipeline.errors import HostError
from pipeline.make.running import Under, running_under
from pipeline.model.toolchain import FoundRunner
from pipeline.ports import Command
from pipeline.system.processes import ProcessRunner
from tests.simulators.engine_world import services_for

PRINT = "import os, sys; print(sys.argv[1:], os.environ.get('PREFIX'))"
RUNNER = FoundRunner(title="Python", argv=(sys.executable, "-c", PRINT), environment={"PREFIX": "{work}"}, slowness=3)


class Asked:
    """Remembers what it was asked to run."""

    def run(self, command, *, log_path=None, on_line=None):
        self.command = command

    start = run


def test_a_program_is_started_by_its_runner(tmp_path):
    services, env = running_under(RUNNER, services_for(tmp_path), {"A": "b"}, tmp_path)
    outcome = services.commands.run(Command(("program", "--version"), cwd=tmp_path, env=env))
    assert outcome.tail == (f"['program', '--version'] {tmp_path / 'runner'}",)
    assert env["A"] == "b"


def test_a_slow_runner_has_more_time(tmp_path):
    asked = Asked()
    Under(asked, RUNNER).run(Command(("program",), cwd=tmp_path, env={}, timeout_seconds=60))
    assert asked.command.timeout_seconds == 180
    Under(asked, RUNNER).start(Command(("program",), cwd=tmp_path, env={}))
    assert (asked.command.argv[-1], asked.command.timeout_seconds) == ("program", None)


def test_a_runner_is_made_ready_once_before_programs(tmp_path):
    mark = tmp_path / "made"
    ready = FoundRunner(title="r", argv=(sys.executable, "-c", f"open({str(mark)!r}, 'x')"), prepare=("init",))
    running_under(ready, services_for(tmp_path), {}, tmp_path)
    assert mark.is_file()


def test_a_runner_that_does_not_work_is_named(tmp_path):
    broken = FoundRunner(title="wine 8.0", argv=(sys.executable, "-c", "exit('no prefix')"), prepare=("init",))
    with pytest.raises(HostError, match=r"wine 8\.0 does not work here \(exit code 1\): no prefix"):
        running_under(broken, services_for(tmp_path), {}, tmp_path)


def test_the_real_runner_stays_as_it_is(tmp_path):
    services = services_for(tmp_path)
    running_under(RUNNER, services, {}, tmp_path)
    assert isinstance(services.commands, ProcessRunner)
