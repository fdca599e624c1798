"""Runs the programs of a bundle for another platform: under an emulator, or a system made anew."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.model.filling import fill
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pipeline.model.toolchain import FoundRunner
    from pipeline.ports import CommandOutcome, CommandRunner, RunningCommand, Services

_PREPARE_SECONDS = 600.0
_FINISH_SECONDS = 60.0


class Under:
    """Implements ``ports.CommandRunner``: every program is started by another one."""

    def __init__(self, commands: CommandRunner, runner: FoundRunner) -> None:
        """Stand before ``commands``."""
        self._commands = commands
        self._runner = runner

    def run(
        self, command: Command, *, log_path: Path | None = None, on_line: Callable[[str], None] | None = None
    ) -> CommandOutcome:
        """Run to the end; a program has as much more time as the runner is slower."""
        return self._commands.run(self._with_runner(command), log_path=log_path, on_line=on_line)

    def start(self, command: Command, *, log_path: Path | None = None) -> RunningCommand:
        """Start a server; the caller stops it."""
        return self._commands.start(self._with_runner(command), log_path=log_path)

    def _with_runner(self, command: Command) -> Command:
        limit = command.timeout_seconds
        seconds = None if limit is None else limit * self._runner.slowness
        return replace(command, argv=(*self._runner.argv, *command.argv), timeout_seconds=seconds)


@contextmanager
def running_under(
    runner: FoundRunner, services: Services, env: Mapping[str, str], work: Path
) -> Iterator[tuple[Services, dict[str, str]]]:
    """Yield services whose programs are run by a runner, and the environment for them; nothing of it runs on after.

    Raises:
        HostError: the runner does not work here.
    """
    home = work / "runner"
    home.mkdir()
    env = {**env, **{name: fill(value, work=str(home)) for name, value in runner.environment.items()}}
    try:
        if runner.prepare:
            _prepare(runner, services, env, work)
        yield replace(services, commands=Under(services.commands, runner)), env
    finally:
        if runner.finish:  # that nothing is left to end is a failure to some, and what became of the programs counts
            with suppress(HostError):
                services.commands.run(Command(runner.finish, cwd=work, env=env, timeout_seconds=_FINISH_SECONDS))


def _prepare(runner: FoundRunner, services: Services, env: Mapping[str, str], work: Path) -> None:
    command = Command((*runner.argv, *runner.prepare), cwd=work, env=env, timeout_seconds=_PREPARE_SECONDS)
    outcome = services.commands.run(command)
    if outcome.exit_code != 0:
        said = outcome.tail[-1] if outcome.tail else "it said nothing"
        raise HostError(
            f"{runner.title} does not work here (exit code {outcome.exit_code}): {said}",
            hint="repair it, or take --prove none and say so",
        )
