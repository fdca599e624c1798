"""Conda packages: linking them into a prefix, and solving for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class CondaTool(Protocol):
    """What works with conda packages that are at hand; it never uses the network."""

    def link(self, channel: Path, packages: Sequence[str], prefix: Path, *, final_prefix: Path, scratch: Path) -> None:
        """Link packages of a local channel into a new folder.

        Args:
            channel: folder with ``<subdir>/repodata.json`` and the packages.
            packages: ``<subdir>/<filename>`` of each.
            prefix: where files are written; made here.
            final_prefix: the path that is written into files; ``prefix`` is moved there afterwards.
            scratch: a folder on the same file system, for unpacked packages; what an earlier call has left in it is
                used again, as it is. It belongs to the caller.

        Raises:
            IntegrityError: a package is damaged, or not what the channel's repodata says.
            HostError: what links is not installed, or the prefix cannot be written.
            NoSpaceError: the disk is full.
        """
        ...

    def solve(
        self, channel: Path, specs: Sequence[str], *, subdir: str, virtual_packages: Mapping[str, str]
    ) -> tuple[str, ...]:
        """Return the file names, sorted, that solving for ``specs`` in a local channel chooses.

        Raises:
            ProofError: nothing in the channel satisfies them; the solver's words are in the message.
            IntegrityError: the channel's index is missing or damaged.
            HostError: the solver is not installed, takes too long, or dies.
        """
        ...

    def unpack(self, packages: Sequence[Path], folder: Path) -> tuple[Path, ...]:
        """Unpack packages as they are, nothing replaced, each into a folder of its own below ``folder``.

        Returns those folders, in order.

        Raises:
            IntegrityError: a package is damaged.
            HostError: what unpacks is not installed, takes too long, or dies.
        """
        ...
