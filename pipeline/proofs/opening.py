"""A backend is opened as the engine opens it, where there is no device to run it on: every symbol must be found."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from pipeline.errors import ProofError
from pipeline.ports.commands import Command
from pipeline.proofs.exits import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.ports import CommandRunner

_SECONDS = 120.0  # a runtime of a gigabyte is read from the disk
_SCRIPT = "import ctypes, os, sys; ctypes.CDLL(sys.argv[1], mode=os.RTLD_NOW)"
_ABSENT = re.compile(r"OSError: ([^\s:]+): cannot open shared object file")


def absent_for(library: Path, *, stand_ins: Path, commands: CommandRunner, env: Mapping[str, str], cwd: Path) -> str:
    """Open a library in a process of its own; return what the loader did not find, empty when it opened.

    All symbols are bound at once, as ``LD_BIND_NOW`` does it: a function that a vendor's library no longer has shows.

    Args:
        library: path within an unpacked bundle.
        stand_ins: folder of libraries for those that only a driver has; the loader looks there first.
        commands: to start it with.
        env: the environment, without a search path.
        cwd: a folder outside the bundle.

    Raises:
        ProofError: it does not open for any other reason.
    """
    argv = (sys.executable, "-I", "-S", "-c", _SCRIPT, str(library))
    env = {**env, "LD_LIBRARY_PATH": str(stand_ins)}
    outcome = commands.run(Command(argv, cwd=cwd, env=env, timeout_seconds=_SECONDS))
    if outcome.exit_code == 0:
        return ""
    said = outcome.tail[-1] if outcome.tail else f"it ended with {in_words(outcome.exit_code)} and said nothing"
    if match := _ABSENT.search(said):
        return match[1]
    raise ProofError(
        f"{library.name} cannot be opened: {said.removeprefix('OSError: ')}",
        hint="it was linked with another version of a library than the bundle brings: look at the toolkit",
    )
