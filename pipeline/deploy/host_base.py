"""Whether the host's Python that an environment of wheels alone is over is still what it was; nothing is started."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.deploy.layout import Layout
    from pipeline.model.installation import Generation

MAKE_ANEW = "`install` makes it anew over a Python of that version (--python names one)"
"""What to do about a fault."""
_PYTHON = "bin/python"
# How every build of CPython calls the file that links lead to; wheels for a free-threaded one (t) are for no other.
_NAME = re.compile(r"python(3\.[0-9]+t?)")
_LIBRARY_FOLDERS = ("lib", "lib64")  # the second is Fedora's


def host_python_fault(layout: Layout, generation: Generation) -> str:
    """Return what has become of the host's Python that a generation is over; empty where nothing is seen.

    A few files are looked at: that the interpreter is there, what it is called, and which library is beside it.
    """
    card = generation.artifact.environment
    if card is None or card.base != "host":
        return ""
    named = host_python(layout, generation)
    if not os.path.exists(named):  # noqa: PTH110 - what cannot be looked at is not there either
        return f"the Python that it runs on, {named}, is gone"
    found = _minor_version(Path(os.path.realpath(named)), expected=card.python)
    if found != card.python:
        return f"the Python that it runs on, {named}, is {found} now, and its wheels are for {card.python}"
    return ""


def host_python(layout: Layout, generation: Generation) -> Path:
    """Return the host's Python that a generation is over, as it was linked."""
    python = layout.tree_dir(generation.engine, generation.number) / _PYTHON
    return python.readlink() if python.is_symlink() else python


def _minor_version(python: Path, *, expected: str) -> str:
    """Return ``3.14`` or ``3.14t`` of an interpreter, by its name or the library beside it; what is expected else."""
    if said := _NAME.fullmatch(python.name):
        return said[1]
    beside = set(_libraries(python.parent.parent))
    return expected if expected in beside or len(beside) != 1 else beside.pop()


def _libraries(prefix: Path) -> Iterator[str]:
    for folder in _LIBRARY_FOLDERS:
        for landmark in (prefix / folder).glob("python3.*/os.py"):  # what Python itself looks for
            if said := _NAME.fullmatch(landmark.parent.name):
                yield said[1]
