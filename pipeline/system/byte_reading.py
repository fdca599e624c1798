"""Reading exact pieces of files that may be damaged."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

_PIECE_BYTES = 4096
_MAX_PADDING_BYTES = 1 << 20


class DamagedBinaryError(ValueError):
    """A PE or Mach-O file, or GPU code within any file, is not what its first bytes say."""


class GpuPiece(NamedTuple):
    """One piece of code in a section of GPU code.

    Attributes:
        architecture: ``sm_90a``, ``gfx1100`` ...; empty for what no GPU runs.
        size: how many bytes of the file it takes.
    """

    architecture: str
    size: int


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


def after_padding(stream: BinaryIO, position: int, end: int) -> int:
    """Return the place of the next byte that is not zero, ``end`` when there is none.

    Raises:
        DamagedBinaryError: a megabyte has none, or the file ends before.
    """
    start = position
    while position < end:
        piece = read_at(stream, position, min(_PIECE_BYTES, end - position))
        if content := piece.lstrip(b"\0"):
            return position + len(piece) - len(content)
        position += len(piece)
        if position - start > _MAX_PADDING_BYTES:
            raise DamagedBinaryError("a section of GPU code has a megabyte of nothing")
    return end


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
