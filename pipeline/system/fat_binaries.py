"""Fat binaries of CUDA: machine code and intermediate code of one source file for many GPUs, one after the other.

NVIDIA documents the wrapper alone (CUDA's include/fatbinary_section.h). The layout of the rest was learnt from public
readers (ZLUDA's dark API, n-eiling/cuda-fatbin-decompression) and from nvcc 13.0's output, and what is read of
libraries of CUDA 11.8-13.2 was compared with cuobjdump: ci/decisions/0056-gpu-code-is-read-from-the-file.md.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from pipeline.system.byte_reading import DamagedBinaryError, GpuPiece, after_padding, read_at

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC, _VERSION = 0xBA55ED50, 1
_HEADER = struct.Struct("<IHHQ")  # magic, version, bytes of this header, bytes of all entries
# Kind, bytes of this header, bytes of the code with its padding, architecture, flags; more follows, as the kind needs.
_ENTRY = struct.Struct("<H2xIQ12xI8xQ")
# The kinds 2 and 16 are ELF files, 16 in the form that the driver finishes; 8 is for a later link alone, and no GPU's.
_PREFIXES = {1: "compute_", 2: "sm_", 16: "sm_"}
_SPECIFIC, _FAMILY = 1 << 20, 1 << 21  # the suffixes a and f
_ARCHITECTURES = range(10, 1000)
_MAX_HEADERS = 1 << 18  # libcublasLt of CUDA 13 has 5,666 entries in fewer fat binaries


def fat_binary_pieces(stream: BinaryIO, start: int, end: int) -> Iterator[GpuPiece]:
    """Yield ``sm_75``, ``sm_90a``, ``compute_90`` ... for each piece of code between two places of a file.

    What no GPU runs has no name.

    Raises:
        DamagedBinaryError: there is something else, a length reaches out of what contains it, or the pieces are
            more than any library has.
    """
    headers = 0
    position = after_padding(stream, start, end)
    while position < end:
        at, position = _body(stream, position, end)
        headers += 1
        while at < position:
            name, size = _entry(stream, at, position)
            yield GpuPiece(name, size)
            at += size
            headers += 1
            if headers > _MAX_HEADERS:
                break
        if headers > _MAX_HEADERS:
            raise DamagedBinaryError(f"it has more than {_MAX_HEADERS} headers of fat binaries")
        position = after_padding(stream, position, end)


def _body(stream: BinaryIO, position: int, end: int) -> tuple[int, int]:
    """Return where the entries of a fat binary begin and end."""
    if end - position < _HEADER.size:
        raise DamagedBinaryError("a fat binary is cut off")
    magic, version, header_bytes, body_bytes = _HEADER.unpack(read_at(stream, position, _HEADER.size))
    if magic != _MAGIC or version != _VERSION or header_bytes < _HEADER.size:
        raise DamagedBinaryError("there is no fat binary of a known version where one should be")
    at = position + header_bytes
    if body_bytes > end - at:
        raise DamagedBinaryError("a fat binary reaches out of its section")
    return at, at + body_bytes


def _entry(stream: BinaryIO, at: int, end: int) -> tuple[str, int]:
    """Return the name of an entry, empty for what no GPU runs, and how many bytes it has with its code."""
    if end - at < _ENTRY.size:
        raise DamagedBinaryError("an entry of a fat binary is cut off")
    kind, header_bytes, code_bytes, architecture, flags = _ENTRY.unpack(read_at(stream, at, _ENTRY.size))
    size = header_bytes + code_bytes
    if header_bytes < _ENTRY.size or size > end - at:
        raise DamagedBinaryError("an entry reaches out of its fat binary")
    if kind not in _PREFIXES:
        return "", size
    if architecture not in _ARCHITECTURES:
        raise DamagedBinaryError(f"an entry of a fat binary is for the architecture {architecture}, which cannot be")
    suffix = "a" if flags & _SPECIFIC else "f" if flags & _FAMILY else ""
    return f"{_PREFIXES[kind]}{architecture}{suffix}", size
