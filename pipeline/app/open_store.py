"""Opens the store of a command; of a full disk of the cache folder, and only of that, it is said what may go."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import NoSpaceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.app.settings import Settings
    from pipeline.system.store import FileStore


@contextmanager
def open_store(folder: Path, settings: Settings, *, durable: bool) -> Iterator[FileStore]:
    """Give the store in ``folder`` to a command.

    Args:
        folder: of the store; for an installation or a mirror that is not the cache.
        settings: of this run; they say which is the cache folder.
        durable: as for ``FileStore``.

    Raises:
        HostError: the folder cannot be written.
        NoSpaceError: as it came, with another hint where the disk of the cache folder is full.
    """
    from pipeline.system.store import FileStore

    try:
        with closing(FileStore(folder, durable=durable)) as store:
            yield store
    except NoSpaceError as error:
        if error.folder is None or not error.folder.is_relative_to(settings.cache_dir):
            raise
        hint = f"{error.hint} (--cache-dir, ENGINE_PIPELINE_CACHE_DIR); old files of the cache may be removed"
        raise NoSpaceError(error.message, hint=hint, folder=error.folder) from error
