"""Where a bench takes place: links, a folder that is gone when the bench is, and what is known of the machine."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model.strategies import BenchMachine
from pipeline.system.disk import disk_errors, remove_tree
from pipeline.system.drill_ground import IsolatedGround
from pipeline.system.links import LocalLinks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from pipeline.ports import CommandRunner, HostProbe


class LocalBenchGround(LocalLinks):
    """This machine; implements ``ports.BenchGround``."""

    python = IsolatedGround.python

    def __init__(self, commands: CommandRunner, host: HostProbe) -> None:
        """Take what runs programs, and what knows the host."""
        super().__init__(commands)
        self._host = host

    def folder(self, parent: Path) -> AbstractContextManager[Path]:
        """Give a folder as a drill has it."""
        return IsolatedGround().folder(parent)

    def load(self) -> float | None:
        """Return the mean of the last minute."""
        try:
            return round(os.getloadavg()[0], 2)
        except (OSError, AttributeError):  # Windows has none
            return None

    def disk_bytes(self, places: Sequence[Path]) -> int:
        """Add up all files."""
        sizes: dict[tuple[int, int], int] = {}
        for place in places:
            for folder, _, names in os.walk(place):
                for name in names:
                    with suppress(FileNotFoundError):
                        found = os.lstat(Path(folder) / name)
                        sizes[found.st_dev, found.st_ino] = found.st_size
        return sum(sizes.values())

    def link_file(self, path: Path, to: Path) -> None:
        """Link, or copy."""
        with disk_errors(to.parent):
            to.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, to)
            except OSError:
                shutil.copyfile(path, to)

    def copy_folder(self, folder: Path, to: Path) -> None:
        """Copy file by file."""
        with disk_errors(to.parent):
            if folder.is_dir():
                shutil.copytree(folder, to, symlinks=True)
            else:
                to.mkdir(parents=True)

    def remove(self, folder: Path) -> None:
        """Remove it, and whatever is read-only in it."""
        remove_tree(folder)

    def machine(self) -> BenchMachine:
        """Look at the host."""
        facts = self._host.facts()
        return BenchMachine(
            platform=facts.platform,
            system=facts.system,
            processors=facts.cpu_count,
            processor=_processor(),
            memory_bytes=facts.memory_bytes or 0,
        )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return ""
