"""Whether a disk has room for what is about to be written; every stage that knows its sizes asks here."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pipeline.errors import NoSpaceError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ports.host import HostProbe

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk or a quota is full, or a file is too large for its file system."""


def require_space(folder: Path, needed_bytes: int, *, host: HostProbe, hint: str) -> None:
    """Refuse to begin what the disk below a folder cannot hold; nothing needed always fits.

    Raises:
        NoSpaceError: there is too little; both figures are named.
    """
    if not needed_bytes:
        return
    free = host.free_bytes(folder)
    if free < needed_bytes:
        raise NoSpaceError(
            f"{folder} has {free / 1e6:.0f} MB free and this needs {needed_bytes / 1e6:.0f} MB", hint=hint
        )
