"""Reading exact pieces of files that may be damaged."""

from __future__ import annotations

from typing import BinaryIO


class DamagedBinaryError(ValueError):
    """A PE or Mach-O file is not what its first bytes say."""


def read_at(stream: BinaryIO, position: int, size: int) -> bytes:
    """Return ``size`` bytes at ``position``.

    Raises:
        DamagedBinaryError: the file ends before.
    """
    stream.seek(position)
    data = stream.read(size)
    if len(data) != size:
        raise DamagedBinaryError("the file is cut off")
    return data


def require_text(name: str | bytes) -> str:
    """Return a name that lief read.

    Raises:
        DamagedBinaryError: it is empty or no UTF-8, where lief gives bytes.
    """
    if not name or isinstance(name, bytes):
        raise DamagedBinaryError("it has a name that cannot be read")
    return name


def enum_name(value: object) -> str:
    """Return the name of one of lief's constants, or of the number that it gives for an unknown one."""
    return str(getattr(value, "name", value))
