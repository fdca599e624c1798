"""Where a drill takes place: commands with no network, and a folder that is gone when the drill is, however it ends."""

from __future__ import annotations

import secrets
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.system import no_network
from pipeline.system.disk import disk_errors, remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ports import CommandOutcome

# What a killed drill was still running is ended within two seconds (process_guard) and may write until then.
_JANITOR = """
trap '' INT TERM HUP
read -r word
[ "$word" = done ] && exit 0
for _ in 1 2 3 4 5; do rm -rf -- "$1"; sleep 1; done
"""


class IsolatedGround:
    """Network namespaces and a watched folder; implements ``ports.DrillGround``."""

    python = sys.executable

    def without_network(self, argv: tuple[str, ...], *, stderr_path: Path) -> tuple[str, ...]:
        """Return the command that runs ``argv`` cut off from every network; see ``ports.DrillGround``."""
        # -I: nothing of the caller's environment or folder is imported.
        return (sys.executable, "-I", str(Path(no_network.__file__).resolve()), str(stderr_path), *argv)

    def refusal(self, outcome: CommandOutcome) -> str | None:
        """Return why a command was not cut off, None when it was."""
        last = outcome.tail[-1] if outcome.tail else ""
        if outcome.exit_code == no_network.REFUSED and last.startswith(no_network.MARK):
            return last.removeprefix(no_network.MARK)
        return None

    @contextmanager
    def folder(self, parent: Path) -> Iterator[Path]:
        """Give an empty folder that is removed at the end, also when this process is killed."""
        with disk_errors(parent):
            parent.mkdir(parents=True, exist_ok=True)
        place = parent / f"drill-{secrets.token_hex(8)}"
        janitor = subprocess.Popen(
            ["/bin/sh", "-c", _JANITOR, "sh", str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
            start_new_session=True,  # Ctrl-C on the terminal must not reach it
        )
        try:
            with disk_errors(parent):
                place.mkdir(mode=0o700)
            yield place
        finally:
            remove_tree(place)
            with suppress(OSError, subprocess.TimeoutExpired):
                janitor.communicate(b"done\n", timeout=10)
