"""Patches of single files, run by run, in the form of bsdiff.

Files are cut into runs so that memory does not grow with their size; see ``runs_of``.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import IntegrityError
from pipeline.model.delta import PatchedRun
from pipeline.system.delta_streams import Blocks, put_together, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.system.delta_streams import Streams

RUN_BYTES = 8 << 20
"""Most of a new file that one patch makes. bsdiff sorts the old run, which takes 18 times its size."""
OVERLAP_BYTES = 2 << 20
"""Of the old file on either side: code moves from release to release."""
_SPARE_BYTES = 256  # for the numbers of a few steps, where a run is short


def runs_of(old_bytes: int, new_bytes: int) -> tuple[PatchedRun, ...]:
    """Cut a new file into runs, each with the part of the old file where its bytes are likely to be.

    A file of up to ``RUN_BYTES`` is one run of the whole old one, as far as that is not longer; of larger ones
    each run has the old bytes at the same part of the length, and 2 MiB more on either side.
    """
    count = max(1, -(-max(old_bytes, new_bytes) // RUN_BYTES))
    runs = []
    for number in range(count):
        start, end = new_bytes * number // count, new_bytes * (number + 1) // count
        if start == end:
            continue
        first = max(0, old_bytes * number // count - OVERLAP_BYTES)
        last = min(old_bytes, old_bytes * (number + 1) // count + OVERLAP_BYTES)
        runs.append(PatchedRun(offset_bytes=first, old_bytes=last - first, new_bytes=end - start))
    return tuple(runs)


def stream_limits(new_bytes: int) -> tuple[int, int, int, int, int]:
    """Return how long each of ``Streams`` may be for a run: what needs more is no patch worth having.

    Of real libraries the numbers take a hundredth of a run; each costs whoever reads them far more than a byte does.
    """
    numbers = new_bytes // 16 + _SPARE_BYTES
    return (numbers, numbers, numbers, new_bytes, new_bytes)


def make_patch(old: bytes, new: bytes) -> Streams:
    """Return what makes ``new`` of ``old``; the same bytes give the same streams."""
    from bsdiff4 import core  # noqa: PLC0415  # compiled, not needed by most

    control, diff, extra = core.diff(old, new)
    return take_apart(Blocks(bytes(control), bytes(diff), bytes(extra)))


def apply_patch(old: bytes, new_bytes: int, streams: Streams) -> bytes:
    """Return the new run; what streams of somebody else can ask for at most is ``new_bytes``.

    Raises:
        IntegrityError: they do not make a run of that length.
    """
    from bsdiff4 import core  # noqa: PLC0415  # as above

    try:
        made: bytes = core.patch(old, new_bytes, *put_together(streams, new_bytes))
    except ValueError as error:
        raise IntegrityError(f"holds a patch that is none: {error}") from error
    return made


@contextmanager
def open_old(folder: Path, path: str) -> Iterator[BinaryIO]:
    """Open a plain file of the old layer; neither a pipe nor a link in its place holds anybody up.

    Raises:
        IntegrityError: it is gone, cannot be read, or is no plain file.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(f"{folder}/{path}", flags)
    except OSError as error:
        raise IntegrityError(f"needs {path!r}, which cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IntegrityError(f"needs {path!r}, which is no plain file")
        yield stream


def read_exactly(stream: BinaryIO, path: str, *, offset_bytes: int, size_bytes: int) -> bytes:
    """Return a run of a file.

    Raises:
        IntegrityError: the file is shorter.
    """
    stream.seek(offset_bytes)
    data = stream.read(size_bytes)
    if len(data) != size_bytes:
        raise IntegrityError(f"needs {path!r} to be longer than it is")
    return data
