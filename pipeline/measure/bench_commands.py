"""Runs this program's own commands for a bench, each in a process of its own, as users do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import HostError, PipelineError, ProofError
from pipeline.measure.stage_times import EventCollector
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.measure.stage_times import TimedEvent
    from pipeline.model.strategy_runs import StageName, StageTime
    from pipeline.ports import Services
    from pipeline.ports.links import BenchGround, OpenLink

_EVENTS = "/dev/stderr"
_NO_PROXY = {"NO_PROXY": "*", "no_proxy": "*"}  # nothing between the ends of a link may lead elsewhere
_SERVER_SECONDS = 60.0
_GRACE_SECONDS = 3.0
_SHOWN_LINES = 6
_PORT = re.compile(r"^https?://.*:(\d+)$")


class Done(NamedTuple):
    """A command that ended well.

    Attributes:
        document: that it printed.
        events: what it told of its work, and when.
        seconds: from its start to its end.
    """

    document: Mapping[str, Any]
    events: tuple[TimedEvent, ...]
    seconds: float

    def as_one(self, stage: StageName, size_bytes: int = 0) -> StageTime:
        """Return all of it as one stage."""
        from pipeline.model.strategy_runs import StageTime  # noqa: PLC0415 - pydantic, and it is needed here alone

        return StageTime(stage=stage, seconds=round(self.seconds, 3), bytes=size_bytes)


class BenchCommands:
    """Runs commands below one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        ground: BenchGround,
        services: Services,
        package_dir: Path,
        environment: Mapping[str, str],
    ) -> None:
        """Take where they run, and the environment that the user gives commands."""
        self._folder = folder
        self._ground = ground
        self._services = services
        self._env = {**environment, "PYTHONPATH": str(package_dir)}

    def run(self, *arguments: object, cache_dir: Path, link: OpenLink | None = None) -> Done:
        """Run a command to its end.

        Raises:
            PipelineError: it failed; of the class that its exit code stands for, with what it said.
        """
        argv = self._argv(*arguments, "--json", "--no-progress", "--json-events", _EVENTS, "--cache-dir", cache_dir)
        clock = self._services.clock
        began = clock.monotonic()
        collector = EventCollector(now=lambda: clock.monotonic() - began)
        if link is None:
            command = Command(argv, cwd=self._folder, env=self._env)  # it may go where the user's proxy leads
        else:
            command = Command(link.at_client(argv), cwd=self._folder, env={**self._env, **_NO_PROXY})
        outcome = self._services.commands.run(command, on_line=collector.take)
        document = collector.document()
        if outcome.exit_code != 0:
            raise _failure(f"`{' '.join(map(str, arguments[:2]))}`", outcome.exit_code, document, collector.other_lines)
        return Done(document, tuple(collector.events), outcome.seconds)

    @contextmanager
    def serving(self, folder: Path, link: OpenLink) -> Iterator[str]:
        """Serve a repository or a mirror at a link's far end; give the url at its near end.

        Raises:
            HostError: the server does not start.
        """
        argv = self._argv("mirror", "serve", folder, "--listen", f"{link.address}:0")
        server = self._services.commands.start(Command(link.at_server(argv), cwd=self._folder, env=self._env))
        try:
            with link.way_to(self._port_of(server)) as reached:
                yield f"http://{reached}"
        finally:
            server.stop(grace_seconds=_GRACE_SECONDS)

    def _port_of(self, server: Any) -> int:  # noqa: ANN401 - ports.RunningCommand
        clock = self._services.clock
        deadline = clock.monotonic() + _SERVER_SECONDS
        while clock.monotonic() < deadline:
            ended = server.exit_code() is not None
            for line in server.output():
                if found := _PORT.match(line):
                    return int(found[1])
            if ended:
                break
            clock.sleep(0.02)
        server.stop(grace_seconds=0)
        said = "".join(f"\n  {line}" for line in server.output()[-_SHOWN_LINES:])
        raise HostError(f"the server of the bench did not start; it said:{said or ' nothing'}")

    def _argv(self, *arguments: object) -> tuple[str, ...]:
        return (self._ground.python, "-m", "pipeline", *map(str, arguments))


def _failure(what: str, exit_code: int, document: Mapping[str, Any], lines: list[str]) -> PipelineError:
    """Return the error that a command's exit code stands for."""
    told = document.get("error")
    said = "\n".join(lines[-_SHOWN_LINES:])
    message, hint = (str(told["message"]), str(told["hint"])) if isinstance(told, dict) else (said, "")
    if exit_code < 0:
        return ProofError(f"{what} was ended by signal {-exit_code}")
    kinds = [kind for kind in PipelineError.__subclasses__() if kind.__module__ == PipelineError.__module__]
    kind = next((kind for kind in kinds if kind.exit_code == exit_code), PipelineError)
    return kind(f"{what}: {message or f'ended with exit code {exit_code}'}", hint=hint)
