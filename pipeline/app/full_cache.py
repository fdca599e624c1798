"""What helps where the disk of the cache folder is full; of no other folder may old files go."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import NoSpaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def told_of_a_full_cache(cache_dir: Path) -> Iterator[None]:
    """Say of a disk that was full below ``cache_dir`` that old files of the cache may be removed.

    Raises:
        NoSpaceError: the one that came, with another hint where it is about the cache.
    """
    try:
        yield
    except NoSpaceError as error:
        if error.folder is None or not error.folder.is_relative_to(cache_dir):
            raise
        hint = f"{error.hint} (--cache-dir, ENGINE_PIPELINE_CACHE_DIR); old files of the cache may be removed"
        raise NoSpaceError(error.message, hint=hint, folder=error.folder) from error
