"""Where a drill of a mirror takes place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.ports.commands import CommandOutcome


class DrillGround(Protocol):
    """Commands that have no network, and a folder that does not outlive the drill."""

    @property
    def python(self) -> str:
        """The interpreter that runs this program."""
        ...

    def folder(self, parent: Path) -> AbstractContextManager[Path]:
        """Give an empty folder below ``parent``; it is removed at the end, also when this process is killed."""
        ...

    def without_network(self, argv: tuple[str, ...], *, stderr_path: Path) -> tuple[str, ...]:
        """Return the command that runs ``argv``, a path and its arguments, cut off from every network.

        It has a loopback interface, no other one, no route. That is checked from inside before ``argv`` runs. With no
        ``argv`` it prints what was found. ``stderr_path`` is the file that gets what ``argv`` says on stderr.
        """
        ...

    def refusal(self, outcome: CommandOutcome) -> str | None:
        """Return why a command could not be cut off and was not run, None when it was."""
        ...
