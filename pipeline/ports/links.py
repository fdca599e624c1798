"""Links that are made for measurements, and what a bench looks at besides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.model.strategies import BenchMachine
    from pipeline.model.strategy_runs import LinkProfile, MadeLink

MakerChoice = Literal["auto", "relay", "throttle"]
"""``auto``: the first that this host has of netem, relay and throttle; the others only themselves."""


class OpenLink(Protocol):
    """A link that is up: commands run at either end of it."""

    @property
    def made(self) -> MadeLink:
        """What it is like, and what made it."""
        ...

    @property
    def address(self) -> str:
        """Where a server at its far end listens."""
        ...

    def at_server(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that runs ``argv`` at the far end."""
        ...

    def at_client(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command that runs ``argv`` at the near end, from where nothing but the far end is reached."""
        ...

    def way_to(self, port: int) -> AbstractContextManager[str]:
        """Give ``<host>:<port>`` by which the near end reaches a server that listens at the far end.

        Raises:
            HostError: the way cannot be made.
        """
        ...


class LinkGround(Protocol):
    """Where links are made."""

    def link(self, profile: LinkProfile, *, maker: MakerChoice = "auto") -> AbstractContextManager[OpenLink]:
        """Make a link; it is gone at the end, also when this process is killed.

        Raises:
            HostError: it cannot be made as it was asked for.
        """
        ...


class BenchGround(LinkGround, Protocol):
    """Where a bench takes place."""

    @property
    def python(self) -> str:
        """The interpreter that runs this program."""
        ...

    def folder(self, parent: Path) -> AbstractContextManager[Path]:
        """Give an empty folder below ``parent``; it is removed at the end, also when this process is killed."""
        ...

    def load(self) -> float | None:
        """Return how many processes want a processor, the mean of the last minute; None where nobody knows."""
        ...

    def disk_bytes(self, places: Sequence[Path]) -> int:
        """Return the bytes of all files there, a file with several names once; what is not there is nothing."""
        ...

    def link_file(self, path: Path, to: Path) -> None:
        """Give a file a second name, or copy it where the disk has no such thing."""
        ...

    def copy_folder(self, folder: Path, to: Path) -> None:
        """Copy a folder to a place where there is none; a folder that is not there makes an empty one."""
        ...

    def remove(self, folder: Path) -> None:
        """Remove a folder with everything in it; nothing where there is none."""
        ...

    def machine(self) -> BenchMachine:
        """Return what is known of this machine."""
        ...
