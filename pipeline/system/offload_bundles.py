"""Bundles of clang's offload bundler, in which HIP keeps the code of one source file for many GPUs.

Clang, "Clang Offload Bundler": bundled binary file layout, bundle entry ID. The header of compressed ones is that of
LLVM's lib/Object/OffloadBundle.cpp (RawCompressedBundleHeader), versions 1 to 3, where the methods are those of
llvm::compression::Format. clang aligns bundles to 4096 bytes.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

import zstandard

from pipeline.system.byte_reading import DamagedBinaryError, GpuPiece, after_padding, read_at

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC, _COMPRESSED_MAGIC = b"__CLANG_OFFLOAD_BUNDLE__", b"CCOB"
_COMMON = struct.Struct("<4sHH")  # magic, version, method
_SIZES = {1: struct.Struct("<I8x"), 2: struct.Struct("<II8x"), 3: struct.Struct("<QQ8x")}  # ..., size unpacked; a hash
_ZLIB, _ZSTD = 0, 1
_NUMBER, _ENTRY = struct.Struct("<Q"), struct.Struct("<QQQ")  # offset, bytes of code, bytes of the name that follows
_ALIGNMENT = 4096
_MAX_ENTRIES, _MAX_NAME_BYTES, _MAX_BUNDLES = 512, 512, 1 << 13  # libggml-hip has one bundle for each source file
_PIECE_BYTES = 1 << 14
# Kind, architecture, vendor, system and environment, which older ones lack; then the processor with its features.
_DEVICE = re.compile(r"hip(?:v4)?-amdgcn-amd-amdhsa-(?:[a-z]*-)?(gfx[0-9a-z-]+(?::[a-z]+[+-])*)")


def bundle_pieces(stream: BinaryIO, start: int, end: int) -> Iterator[GpuPiece]:
    """Yield ``gfx1100``, ``gfx90a:xnack-`` ... for each piece of GPU code between two places of a file.

    Of compressed bundles no more than the table at their beginning is decompressed; a piece of one counts with its
    share of the compressed bytes.

    Raises:
        DamagedBinaryError: there is something else, or a length reaches out of what contains it.
    """
    position = after_padding(stream, start, end)
    for _ in range(_MAX_BUNDLES):
        if position >= end:
            return
        magic = read_at(stream, position, min(len(_MAGIC), end - position))
        if magic == _MAGIC:
            pieces, size = _entries(_Stretch(stream, position, end), end - position)
        elif magic[: len(_COMPRESSED_MAGIC)] == _COMPRESSED_MAGIC:
            pieces, size = _compressed(stream, position, end)
        else:
            raise DamagedBinaryError("there is no offload bundle where one should be")
        yield from pieces
        position = after_padding(stream, position + size, end)
    raise DamagedBinaryError(f"it has more than {_MAX_BUNDLES} offload bundles")


class _Readable(Protocol):
    """What bytes are taken from, in order."""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...


class _Stretch:
    """A part of a file, read from its beginning."""

    def __init__(self, stream: BinaryIO, start: int, end: int) -> None:
        self._stream, self._position, self._end = stream, start, end

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes, none at the end; a negative size stands for all, which nobody needs at once."""
        size = min(size if size >= 0 else _PIECE_BYTES, self._end - self._position)
        data = read_at(self._stream, self._position, size)
        self._position += size
        return data


class _Inflated:
    """What zlib decompresses, never more of it than is asked for."""

    def __init__(self, packed: _Stretch) -> None:
        self._packed, self._inflater = packed, zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        while not self._inflater.eof:
            piece = self._inflater.unconsumed_tail or self._packed.read(_PIECE_BYTES)
            if data := self._inflater.decompress(piece, size):
                return data
            if not piece:
                break
        return b""


class _Compressed(NamedTuple):
    """Header of a compressed bundle: its bytes with this header, and how many it unpacks to."""

    method: int
    header_bytes: int
    size: int
    unpacked_bytes: int


def _compressed(stream: BinaryIO, position: int, end: int) -> tuple[list[GpuPiece], int]:
    header = _header(stream, position, end)
    packed = _Stretch(stream, position + header.header_bytes, position + header.size)
    unpacked: _Readable
    if header.method == _ZSTD:
        source = cast("BinaryIO", packed)  # it calls nothing but read
        unpacked = zstandard.ZstdDecompressor().stream_reader(source, read_size=_PIECE_BYTES, closefd=False)
    elif header.method == _ZLIB:
        unpacked = _Inflated(packed)
    else:
        raise DamagedBinaryError(f"an offload bundle is compressed by method {header.method}, which is not known")
    try:
        if _exactly(unpacked, len(_MAGIC)) != _MAGIC:
            raise DamagedBinaryError("a compressed offload bundle has something else inside")
        pieces, _ = _entries(unpacked, header.unpacked_bytes, read_bytes=len(_MAGIC))
    except (zstandard.ZstdError, zlib.error) as error:
        raise DamagedBinaryError(f"an offload bundle cannot be decompressed: {error}") from error
    # Entries end within what is unpacked, so that the quotient is at most one; of nothing there are none.
    return [GpuPiece(name, size * header.size // header.unpacked_bytes) for name, size in pieces], header.size


def _header(stream: BinaryIO, position: int, end: int) -> _Compressed:
    left = end - position
    if left < _COMMON.size:
        raise DamagedBinaryError("an offload bundle is cut off")
    _, version, method = _COMMON.unpack(read_at(stream, position, _COMMON.size))
    if version not in _SIZES:
        raise DamagedBinaryError(f"a compressed offload bundle has version {version}, which is not known")
    form = _SIZES[version]
    header_bytes = _COMMON.size + form.size
    if left < header_bytes:
        raise DamagedBinaryError("an offload bundle is cut off")
    *sizes, unpacked_bytes = form.unpack(read_at(stream, position + _COMMON.size, form.size))
    size = sizes[0] if sizes else _next_bundle(stream, position, end) - position
    if not header_bytes <= size <= left:
        raise DamagedBinaryError("an offload bundle reaches out of its section")
    return _Compressed(method, header_bytes, size, unpacked_bytes)


def _next_bundle(stream: BinaryIO, position: int, end: int) -> int:
    """Return where the bundle after one of version 1 begins, which does not say how long it is."""
    for place in range(position + _ALIGNMENT, end - len(_COMPRESSED_MAGIC), _ALIGNMENT):
        if read_at(stream, place, len(_COMPRESSED_MAGIC)) in {_COMPRESSED_MAGIC, _MAGIC[:4]}:
            return place
    return end


def _entries(bundle: _Readable, bundle_bytes: int, *, read_bytes: int = 0) -> tuple[list[GpuPiece], int]:
    """Return the pieces of a bundle's GPU code, and where the last code ends.

    Args:
        bundle: from its beginning, or from where ``read_bytes`` of it were read.
        bundle_bytes: how many bytes it can have.
        read_bytes: how many of them were read.
    """
    _exactly(bundle, len(_MAGIC) - read_bytes)
    count = _NUMBER.unpack(_exactly(bundle, _NUMBER.size))[0]
    if count > _MAX_ENTRIES:
        raise DamagedBinaryError(f"an offload bundle has more than {_MAX_ENTRIES} entries")
    pieces: list[GpuPiece] = []
    end, last = len(_MAGIC) + _NUMBER.size, 0
    for _ in range(count):
        offset, size, name_bytes = _ENTRY.unpack(_exactly(bundle, _ENTRY.size))
        if name_bytes > _MAX_NAME_BYTES or offset + size > bundle_bytes:
            raise DamagedBinaryError("an entry reaches out of its offload bundle")
        name = _DEVICE.fullmatch(_exactly(bundle, name_bytes).decode("ascii", errors="replace"))
        end += _ENTRY.size + name_bytes
        last = max(last, offset + size)
        if name and size:
            pieces.append(GpuPiece(name[1], size))
    return pieces, max(end, last)


def _exactly(source: _Readable, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = source.read(size - len(data))
        if not piece:
            raise DamagedBinaryError("an offload bundle is cut off")
        data += piece
    return data
