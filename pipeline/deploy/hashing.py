"""Digests of many files, several read at a time."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from pipeline.deploy.side_by_side import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FEW_BYTES = 4 << 20  # hashed sooner than a thread is started


def hash_file(path: str) -> str:
    """Return the sha256 of a plain file.

    Raises:
        OSError: it cannot be read, or is a link.
    """
    # O_NOFOLLOW: it was a plain file a moment ago and must still be one.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_files(paths: Sequence[str], *, jobs: int) -> list[str]:
    """Return the sha256 of each file, in their order; hashing lets go of the interpreter, so threads pay.

    Raises:
        OSError: as ``hash_file``.
    """
    sizes = {path: os.lstat(path).st_size for path in paths}
    threads = 1 if sum(sizes.values()) <= _FEW_BYTES else jobs
    found: dict[str, str] = {}

    def work(path: str, go_on: Callable[[], None]) -> None:
        go_on()
        found[path] = hash_file(path)

    in_parallel(work, sorted(sizes, key=sizes.__getitem__, reverse=True), jobs=threads)  # large ones first
    return [found[path] for path in paths]
