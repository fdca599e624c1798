"""A work folder that stays when a build is killed, so that the next run goes on in it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MARK = "identity"


def goes_on(identity: str, work: Path, log_path: Path) -> bool:
    """Tell whether a kept work folder is of the same build; empty it, and begin a new log, where it is of another.

    Args:
        identity: of the build: its key, and the tools' paths, because CMake that meets another compiler in its cache
            starts over without the command line's options.
        work: the folder.
        log_path: of the build's commands.
    """
    mark = work / _MARK
    if mark.is_file() and mark.read_text(encoding="utf-8") == identity:
        return True
    mark.unlink(missing_ok=True)  # first: what is left of a killed emptying must not be taken for whole
    for path in work.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    log_path.unlink(missing_ok=True)
    return False


def settle(identity: str, work: Path) -> None:
    """Write down of which build a folder is, once what its next run counts on is whole."""
    (work / _MARK).write_text(identity, encoding="utf-8")
