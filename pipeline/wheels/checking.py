"""Reads a wheel that was made: it must hold what went in, and nothing that its tag does not allow."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from pipeline.digest import sha256_stream
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def require_files(wheel: Path, files: Mapping[str, Path]) -> None:
    """See that a wheel has files as they are on the disk: the same bytes, executable or not.

    Args:
        wheel: to read.
        files: path in the wheel to a file.

    Raises:
        IntegrityError: one is missing or another; that is a bug, and the wheel is no good.
    """
    with zipfile.ZipFile(wheel) as archive:
        members = {member.filename: member for member in archive.infolist()}
        for name, path in files.items():
            member = members.get(name)
            if member is None:
                raise IntegrityError(f"{wheel.name} lacks {name}", hint="this is a bug")
            with archive.open(member) as inside, path.open("rb") as outside:
                if sha256_stream(inside) != sha256_stream(outside):  # type: ignore[arg-type] # ZipExtFile reads bytes
                    raise IntegrityError(f"{wheel.name} has another {name}", hint="this is a bug")
            if bool(member.external_attr >> 16 & 0o100) != bool(path.stat().st_mode & 0o100):
                raise IntegrityError(f"{wheel.name} has another mode for {name}", hint="this is a bug")
