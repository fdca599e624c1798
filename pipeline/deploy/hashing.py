"""Digests of many files, several read at a time, each byte once, and no more than a file had when it was opened."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from pipeline.deploy.side_by_side import in_parallel
from pipeline.digest import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_FEW_BYTES = 4 << 20  # hashed sooner than a thread is started


class NotWhatItWasError(OSError):
    """A file is no plain file any more, or grew or shrank while it was read; says so in words."""


def hash_file(path: str, *, on_read: Callable[[int], None] | None = None) -> str:
    """Return the sha256 of a plain file.

    Args:
        path: of the file.
        on_read: called with the number of bytes of each piece that was read; what it raises ends the reading.

    Raises:
        NotWhatItWasError: it is no plain file, or its size changed meanwhile.
        OSError: it cannot be read, or is a link.
    """
    with os.fdopen(open_plain(path), "rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        digest = hashlib.sha256()
        # One buffer a file; the last byte of it finds out whether the file goes on after its end.
        piece = memoryview(bytearray(min(CHUNK_BYTES, size + 1)))
        left = size
        while count := stream.readinto(piece):
            left -= count
            if left < 0:
                raise NotWhatItWasError("it grew while it was read")
            digest.update(piece[:count])
            if on_read is not None:
                on_read(count)
    if left:
        raise NotWhatItWasError("it shrank while it was read")
    return digest.hexdigest()


def open_plain(path: str) -> int:
    """Return a descriptor of a plain file, for reading; a pipe that nobody writes to does not hold it up.

    Raises:
        NotWhatItWasError: it is no plain file.
        OSError: it cannot be opened, or is a link.
    """
    # O_NOFOLLOW: it was a plain file a moment ago and must still be one.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, os.O_RDONLY | flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotWhatItWasError("it is no plain file")
    return descriptor


def hash_files(paths: Sequence[str], *, jobs: int) -> list[str]:
    """Return the sha256 of each file, in their order.

    Raises:
        OSError: as ``hash_file``.
    """
    found = hash_each({path: os.lstat(path).st_size for path in paths}, jobs=jobs)
    digests = []
    for path in paths:
        digest = found[path]
        if isinstance(digest, OSError):
            raise digest
        digests.append(digest)
    return digests


def hash_each(
    sizes: Mapping[str, int], *, jobs: int, on_read: Callable[[int], None] | None = None
) -> dict[str, str | OSError]:
    """Return the sha256 of each file, or why it could not be read; hashing lets go of the interpreter, so threads pay.

    Args:
        sizes: path to size; the large ones are taken first, so that no thread is left alone with one.
        jobs: how many are read at a time.
        on_read: called with the size of each piece that was read, from any thread.
    """

    def work(path: str, go_on: Callable[[], None]) -> str | OSError:
        def read(size: int) -> None:
            go_on()
            if on_read is not None:
                on_read(size)

        try:
            go_on()
            return hash_file(path, on_read=read)
        except OSError as error:
            return error

    paths = sorted(sizes, key=sizes.__getitem__, reverse=True)
    found = in_parallel(work, paths, jobs=1 if sum(sizes.values()) <= _FEW_BYTES else jobs)
    return dict(zip(paths, found, strict=True))
