"""The outside of zstd frames (RFC 8878, section 3.1): where each begins and ends, without decompressing anything.

A decoder that reads a stream of frames cannot tell a truncated last frame from a slow one; walking the block headers
can.
"""

from __future__ import annotations

import os
import shutil
from typing import BinaryIO

from pipeline.digest import CHUNK_BYTES
from pipeline.system.archive_members import refuse

MAX_WINDOW_BYTES = 1 << 27  # what the zstd program accepts by default
_MAGIC = 0xFD2FB528
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_RAW, _RLE, _COMPRESSED = range(3)
_MAX_BLOCK_BYTES = 1 << 17
# Walking takes 2 s for these; 64 GiB of full blocks are 500,000.
_MAX_FRAMES = 100_000
_MAX_BLOCKS = 1_000_000


def check_frames(stream: BinaryIO) -> int:
    """Walk every frame from here to the end of a seekable file; return how many hold data.

    Raises:
        IntegrityError: a frame is incomplete or malformed, needs too large a window, or something else follows.
    """
    start = stream.tell()
    end = stream.seek(0, os.SEEK_END)
    stream.seek(start)
    frames = skippable = blocks = 0
    while stream.tell() < end:
        if frames + skippable > _MAX_FRAMES or blocks > _MAX_BLOCKS:
            raise refuse(f"consists of more than {_MAX_FRAMES} zstd frames or {_MAX_BLOCKS} blocks")
        magic = _number(stream, 4)
        if magic in _SKIPPABLE:
            size = _number(stream, 4)
            _skip(stream, size, end)
            skippable += 1
        elif magic == _MAGIC:
            blocks += _walk_frame(stream, end)
            frames += 1
        else:
            raise refuse("has something that is no zstd frame in it")
    if not frames:
        raise refuse("holds no zstd frame")
    return frames


def _walk_frame(stream: BinaryIO, end: int) -> int:
    """Go to the end of a frame; return how many blocks it has."""
    descriptor = _number(stream, 1)
    single_segment = bool(descriptor & 0x20)
    if descriptor & 0x08:
        raise refuse("has a zstd frame with a reserved bit set")
    if single_segment:
        window = 0
    else:
        byte = _number(stream, 1)
        base = 1 << (10 + (byte >> 3))
        window = base + (base >> 3) * (byte & 7)
    if dictionary_bytes := (0, 1, 2, 4)[descriptor & 3]:
        _skip(stream, dictionary_bytes, end)
    if content_bytes := (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]:
        content = _number(stream, content_bytes) + (256 if content_bytes == 2 else 0)
        window = content if single_segment else window
    if window > MAX_WINDOW_BYTES:
        raise refuse(f"needs a window of {window} bytes to unpack")
    last, blocks = False, 0
    while not last and blocks <= _MAX_BLOCKS:
        blocks += 1
        header = _number(stream, 3)
        last = bool(header & 1)
        kind, size = header >> 1 & 3, header >> 3
        if size > _MAX_BLOCK_BYTES or kind > _COMPRESSED:
            raise refuse("has a zstd block that is no block")
        _skip(stream, 1 if kind == _RLE else size, end)
    if descriptor & 0x04:
        _skip(stream, 4, end)  # the content's checksum, which the decoder checks
    return blocks


def _number(stream: BinaryIO, size: int) -> int:
    data = stream.read(size)
    if len(data) < size:
        raise refuse("is cut short: its last zstd frame has no end")
    return int.from_bytes(data, "little")


def _skip(stream: BinaryIO, size: int, end: int) -> None:
    if stream.seek(size, os.SEEK_CUR) > end:
        raise refuse("is cut short: its last zstd frame has no end")


def copy_frames(source: BinaryIO, sink: BinaryIO) -> None:
    """Append all frames of a seekable file to ``sink`` as they are, after checking that they are complete.

    Raises:
        IntegrityError: it is no complete run of zstd frames.
    """
    check_frames(source)
    source.seek(0)
    shutil.copyfileobj(source, sink, CHUNK_BYTES)
