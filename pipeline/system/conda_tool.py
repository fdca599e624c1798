"""Implements ``ports.CondaTool`` over py-rattler, in processes of their own; the network is never used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.system.conda_child import WORKER, work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SOLVE_SECONDS = 300.0  # 0.1 to 2 s measured, for 2 to 60 packages
_UNPACK_SECONDS = 1800.0


class RattlerTool:
    """Works with conda packages that are at hand."""

    def __init__(self, command: Sequence[str] = WORKER, *, solve_seconds: float = _SOLVE_SECONDS) -> None:
        """Start nothing yet; ``command`` is the worker, which is killed after ``solve_seconds`` of solving."""
        self._command = tuple(command)
        self._solve_seconds = solve_seconds

    def link(self, channel: Path, packages: Sequence[str], prefix: Path, *, final_prefix: Path, scratch: Path) -> None:
        """Link packages of a local channel into a new folder; see ``ports.CondaTool.link`` and ``conda_linking``.

        Raises:
            IntegrityError: a package is damaged, or not what the channel's repodata says.
            HostError: what links is not installed, takes too long or dies, or the prefix cannot be written.
            NoSpaceError: the disk is full.
        """
        request = {
            "channel": str(channel.resolve()),
            "packages": list(packages),
            "prefix": str(prefix),
            "final_prefix": str(final_prefix),
            "scratch": str(scratch),
        }
        work("link", request, seconds=_UNPACK_SECONDS, home=scratch, command=self._command)

    def solve(
        self, channel: Path, specs: Sequence[str], *, subdir: str, virtual_packages: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return the file names, sorted, that solving for ``specs`` in a local channel chooses.

        Raises:
            ProofError: nothing in the channel satisfies them; the solver's words are in the message.
            IntegrityError: the channel's index is missing or damaged.
            HostError: the solver is not installed, takes too long, or dies.
        """
        request = {
            "channel": str(channel.resolve()),
            "specs": list(specs),
            "subdir": subdir,
            "virtual_packages": dict(virtual_packages),
        }
        found = work("solve", request, seconds=self._solve_seconds, command=self._command)
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def unpack(self, packages: Sequence[Path], folder: Path) -> tuple[Path, ...]:
        """Unpack packages, each into a folder of its own below ``folder``; return those, in order.

        Raises:
            IntegrityError: a package is damaged.
            HostError: what unpacks is not installed, takes too long, or dies.
        """
        places = tuple(folder / package.name for package in packages)
        request = {"packages": [str(package) for package in packages], "folder": str(folder)}
        work("unpack", request, seconds=_UNPACK_SECONDS, command=self._command)
        return places
