"""Running programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    Attributes:
        argv: program and arguments; no shell.
        cwd: where.
        env: the whole environment, nothing is inherited.
        timeout_seconds: after which it is killed with its children; None waits.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What came of a command.

    Attributes:
        exit_code: negative is the signal that ended it.
        tail: its last lines (stdout and stderr as they came), at most 200.
        seconds: wall time.
    """

    exit_code: int
    tail: tuple[str, ...]
    seconds: float


class RunningCommand(Protocol):
    """A program that runs beside this process."""

    def exit_code(self) -> int | None:
        """Return None while it runs."""
        ...

    def output(self) -> tuple[str, ...]:
        """Return its last lines so far, at most 200."""
        ...

    def peak_resident_bytes(self) -> int | None:
        """Return the most memory that it and its children have had resident, as far as this system tells.

        None once it has ended, or where nothing can be known.
        """
        ...

    def stop(self, *, grace_seconds: float) -> int:
        """Ask it to end, kill it and its children after ``grace_seconds``; return the exit code (negative: signal)."""
        ...


class CommandRunner(Protocol):
    """Runs programs; children never outlive this process's interruption."""

    def run(
        self,
        command: Command,
        *,
        log_path: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> CommandOutcome:
        """Run to the end; each output line goes to ``on_line`` and is appended to ``log_path``.

        Raises:
            HostError: the program does not exist or may not be run.
        """
        ...

    def start(self, command: Command, *, log_path: Path | None = None) -> RunningCommand:
        """Start a server; the caller stops it."""
        ...
