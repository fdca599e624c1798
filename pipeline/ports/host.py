"""The machine and its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.host import HostFacts, Tool
    from pipeline.model.toolkit import Toolkit, ToolkitPlace


class HostProbe(Protocol):
    """Looks at the machine."""

    def facts(self) -> HostFacts:
        """Return what is known without starting any program; the devices are left out."""
        ...

    def survey(self) -> HostFacts:
        """Return everything that is known, devices too: programs are started, each bounded in time and output.

        A probe that fails is in ``probe_faults``; nothing is raised for it.
        """
        ...

    def tool(self, name: str, *, minimum: str | None = None) -> Tool | None:
        """Return a tool of at least that version, the system's before the packaged one; None when there is neither."""
        ...

    def toolkits(self, toolkit: Toolkit, version: str, *, folder: Path | None = None) -> tuple[ToolkitPlace, ...]:
        """Return the folders that have an accelerator's toolkit, in the recipe's order.

        Args:
            toolkit: what is looked for.
            version: for places whose name has it; empty for any.
            folder: the only one to look into.
        """
        ...

    def free_bytes(self, path: Path) -> int:
        """Return the free space for files below ``path`` (or its nearest folder that exists)."""
        ...


class Clock(Protocol):
    """Time."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def now_seconds(self) -> int:
        """Return seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
