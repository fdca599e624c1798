"""An environment's programs in ``bin/``: made of entry points, or of scripts that a wheel brought."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.ports import Disk

SCRIPTS_FOLDER = "bin"
_MARK = b"#!python"  # "Recommended installer features" of the wheel specification
_CODE = b"# -*- coding"  # what a generated program begins with after its first lines
_ENTRY_POINT = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", re.ASCII)
_CHUNK_BYTES = 1 << 20


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


def is_script(path: Path) -> bool:
    """Tell whether a file of a wheel is a script whose first line names the Python that is to run it."""
    with path.open("rb") as stream:
        return stream.read(len(_MARK)) == _MARK


def write_script(source: Path, destination: Path, *, interpreter: Path, disk: Disk) -> None:
    """Write a script of a wheel with the interpreter that is to run it in its first line."""
    disk.write_chunks(destination, _with_interpreter(source, interpreter), executable=True)


def _with_interpreter(source: Path, interpreter: Path) -> Iterator[bytes]:
    from installer.scripts import Script  # noqa: PLC0415 - as above

    # ``installer.utils.fix_shebang`` knows no path with a space in it; what programs get does.
    made = Script("program", "module", "function", "console").generate(str(interpreter), "posix")[1]
    yield made.partition(_CODE)[0]
    with source.open("rb") as stream:
        stream.readline()
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk


_TELL = "the bundle is not what it promises; tell its publisher"
