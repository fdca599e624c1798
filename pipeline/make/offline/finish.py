"""Lays a bundle's wheels into an environment and makes its programs: ``python finish.py BUNDLE PREFIX``.

This file travels in bundles of environments and is run by the environment's own Python, after its base was made. It
needs the standard library alone, and nothing of this project.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

CARD = "bundle.json"
SETTINGS = "pyvenv.cfg"
MINIFORGE = "miniforge/Miniforge3-"  # what only travels: install-offline.sh runs it where no conda is
CHUNK_BYTES = 1 << 20
SHEBANG_BYTES = 127  # Linux, BINPRM_BUF_SIZE before 5.1; macOS takes 512
PROGRAM = """\
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {import_name}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit({function}())
"""  # what the installer library writes, to the byte


class Refused(Exception):  # noqa: N818 - it is what the user reads
    """The bundle or the environment is not as it should be."""


def main(arguments: list[str]) -> int:
    """Finish an environment; return the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("usage: finish.py BUNDLE PREFIX\n")
        return 2
    bundle, prefix = (Path(argument).absolute() for argument in arguments)
    try:
        laid, programs = finish(bundle, prefix)
    except (Refused, OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"finish.py: {error}\n")
        return 1
    sys.stdout.write(f"{laid} files laid, {programs} programs made\n")
    return 0


def finish(bundle: Path, prefix: Path) -> tuple[int, int]:
    """Lay the files that no conda package brings, then make programs; return how many of each.

    Raises:
        Refused: a file is not what the bundle's card says, is in the way, or would leave the prefix.
        OSError: the prefix cannot be written.
    """
    card = json.loads((bundle / CARD).read_bytes())
    environment = card["artifact"]["environment"]
    channel = environment["channel"]
    version = ".".join(map(str, sys.version_info[:2]))
    if version != environment["python"]:
        raise Refused(f"this is Python {version}, and the bundle's wheels are for {environment['python']}")
    if channel is not None:
        leave_user_site_out(prefix)
    laid, others = 0, () if channel is None else (f"{channel}/", MINIFORGE)
    for entry in card["files"]:
        if not entry["path"].startswith(others):
            lay(entry, bundle, prefix)
            laid += 1
    for name, target in sorted(environment["scripts"].items()):
        write_program(name, target, prefix)
    return laid, len(environment["scripts"])


def leave_user_site_out(prefix: Path) -> None:
    """Have a Python that conda has linked import nothing from its user's home (PEP 370), as in a virtual environment.

    Raises:
        Refused: a package brings the file that this writes.
    """
    path = prefix / SETTINGS
    if path.is_symlink() or path.exists():
        raise Refused(f"{SETTINGS} is in the environment already")
    path.write_bytes(b"home = " + os.fsencode(prefix / "bin") + b"\ninclude-system-site-packages = false\n")


def lay(entry: dict[str, Any], bundle: Path, prefix: Path) -> None:
    """Copy one file or link, checking its bytes on the way.

    Raises:
        Refused: it is not what the card says, or something else is there already.
    """
    path = require_relative(entry["path"])
    destination = prefix / path
    destination.parent.mkdir(parents=True, exist_ok=True)
    if not destination.parent.resolve().is_relative_to(prefix.resolve()):
        raise Refused(f"{path} would be written outside the environment")
    if destination.is_symlink() or destination.exists():
        raise Refused(f"{path} comes with a wheel and is in the environment already")
    if entry["link"] is not None:
        destination.symlink_to(entry["link"])
        return
    digest = hashlib.sha256()
    draft = destination.with_name(f"{destination.name}.draft")
    with (bundle / path).open("rb") as source, draft.open("xb") as copy:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != entry["sha256"]:
        draft.unlink()
        raise Refused(f"{path} has sha256 {digest.hexdigest()}, the bundle's card says {entry['sha256']}")
    draft.chmod(0o755 if entry["mode"] & 0o100 else 0o644)
    draft.rename(destination)


def write_program(name: str, target: str, prefix: Path) -> None:
    """Write a program into ``bin/`` that runs a function with the environment's own Python.

    Raises:
        Refused: there is something of that name.
    """
    module, _, function = target.partition(":")
    destination = prefix / "bin" / require_relative(name)
    if destination.is_symlink() or destination.exists():
        raise Refused(f"bin/{name} is in the environment already")
    text = PROGRAM.format(module=module, import_name=function.split(".", maxsplit=1)[0], function=function)
    destination.write_bytes(first_lines(os.fsencode(prefix / "bin" / "python")) + text.encode())
    destination.chmod(0o755)


def first_lines(python: bytes) -> bytes:
    """Return what makes a system run a file with a Python, whatever its path: a shell starts it where `#!` cannot."""
    if b" " not in python and len(python) + 3 <= SHEBANG_BYTES:
        return b"#!" + python + b"\n"
    return b"#!/bin/sh\n'''exec' " + os.fsencode(shlex.quote(os.fsdecode(python))) + b' "$0" "$@"\n' + b"' '''\n"


def require_relative(path: str) -> str:
    """Return a path that stays below its root.

    Raises:
        Refused: it does not.
    """
    if not path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise Refused(f"{path!r} leaves the environment")
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
