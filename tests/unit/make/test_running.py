from __future__ import annotations

import contextlib
import sys

import pytest

from pipeline.errors import HostError, ProofError
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
    with running_under(RUNNER, services_for(tmp_path), {"A": "b"}, tmp_path) as (services, env):
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
    with running_under(ready, services_for(tmp_path), {}, tmp_path):
        assert mark.is_file()


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_runner_left_running_is_ended_whatever_became_of_the_programs(tmp_path, fails):
    mark = tmp_path / "ended"
    finish = (sys.executable, "-c", f"import os; open({str(mark)!r}, 'x').write(os.environ['PREFIX']); exit(1)")
    runner = RUNNER.model_copy(update={"finish": finish})
    with contextlib.suppress(ProofError), running_under(runner, services_for(tmp_path), {}, tmp_path):
        assert not mark.exists()
        if fails:
            raise ProofError("it does not answer")
    assert mark.read_text() == str(tmp_path / "runner")


def test_a_runner_that_does_not_work_is_named(tmp_path):
    broken = FoundRunner(title="wine 8.0", argv=(sys.executable, "-c", "exit('no prefix')"), prepare=("init",))
    under = running_under(broken, services_for(tmp_path), {}, tmp_path)
    with pytest.raises(HostError, match=r"wine 8\.0 does not work here \(exit code 1\): no prefix"), under:
        pass


def test_what_was_left_running_is_ended_where_the_runner_could_not_be_made_ready(tmp_path):
    mark = tmp_path / "ended"
    finish = (sys.executable, "-c", f"open({str(mark)!r}, 'x')")
    broken = FoundRunner(title="r", argv=(sys.executable, "-c", "exit('no')"), prepare=("init",), finish=finish)
    with (
        pytest.raises(HostError, match="does not work here"),
        running_under(broken, services_for(tmp_path), {}, tmp_path),
    ):
        pass
    assert mark.is_file()


def test_what_ends_a_runner_and_is_missing_hides_nothing(tmp_path):
    runner = RUNNER.model_copy(update={"finish": (str(tmp_path / "no-such-program"),)})
    with (
        pytest.raises(ProofError, match="it does not answer"),
        running_under(runner, services_for(tmp_path), {}, tmp_path),
    ):
        raise ProofError("it does not answer")


def test_the_real_runner_stays_as_it_is(tmp_path):
    services = services_for(tmp_path)
    with running_under(RUNNER, services, {}, tmp_path):
        pass
    assert isinstance(services.commands, ProcessRunner)
