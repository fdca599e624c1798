"""Small files that a user names: read whole, and written so that a crash leaves the old or the new one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pipeline.app.services import disk
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_BYTES = 64 << 20  # as of metadata that a client reads


def read_named(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        UsageError: it cannot be read, or is too long.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name a file that you can read") from error
    if len(data) > _LIMIT_BYTES:
        raise UsageError(f"{path} is longer than {_LIMIT_BYTES} bytes", hint="name a metadata file")
    return data


def write_named(path: Path, data: bytes) -> None:
    """Write or replace a file.

    Raises:
        HostError, NoSpaceError: it cannot be written.
    """
    place = path.absolute()
    disk().replace_file(place, data, staging_dir=place.parent)


def require_writable(path: Path) -> None:
    """Make the folder that a file will be written to, and see to it that this can be done; the file stays as it is.

    Raises:
        HostError, NoSpaceError: it cannot be written.
    """
    place = path.absolute()
    disk().make_dirs(place.parent, durable=False)
    trial = place.parent / f"trial-{secrets.token_hex(8)}"
    disk().replace_file(trial, b"", staging_dir=place.parent)
    disk().remove(trial)
