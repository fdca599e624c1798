"""An environment's programs in ``bin/`` that are made of entry points.

Scripts that a wheel brought are in its layer, and find the Python beside themselves: ``make.wheel_unpacking``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.ports import Disk

SCRIPTS_FOLDER = "bin"
_ENTRY_POINT = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", re.ASCII)


def write_programs(scripts: Mapping[str, str], prefix: Path, *, interpreter: Path, disk: Disk) -> None:
    """Write a program for each entry point.

    Args:
        scripts: name to ``module:function``.
        prefix: to write below.
        interpreter: path of the Python that runs them, where it will be; it may have spaces and be long.
        disk: how they are written.

    Raises:
        IntegrityError: an entry point is none, or a program of that name is there already.
    """
    from installer.scripts import Script  # noqa: PLC0415 - 20 ms that only environments need

    disk.make_dirs(prefix / SCRIPTS_FOLDER, durable=False)
    for name, entry_point in sorted(scripts.items()):
        parsed = _ENTRY_POINT.fullmatch(entry_point)
        if parsed is None:
            raise IntegrityError(f"{entry_point!r}, which makes the program {name}, is no entry point", hint=_TELL)
        path = prefix / SCRIPTS_FOLDER / name
        if path.exists() or path.is_symlink():
            raise IntegrityError(f"two packages bring a program {name}", hint=_TELL)
        script = Script(name, parsed[1], parsed[2], "console")
        disk.write_chunks(path, [script.generate(str(interpreter), "posix")[1]], executable=True)


_TELL = "the bundle is not what it promises; tell its publisher"
