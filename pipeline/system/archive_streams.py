"""Decompression, forward only and strict: a stream that is cut short, or goes on after its end, is an error.

The standard library's readers are not strict enough: bz2 and lzma ignore what follows the last stream, tarfile stops
at a damaged header as if it were the end, and zstandard's reader takes a truncated frame for a short one.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Protocol, cast

from pipeline.digest import CHUNK_BYTES
from pipeline.system.archive_members import DEFAULT_LIMITS, Limits, judge_size, refuse
from pipeline.system.zstd_frames import MAX_WINDOW_BYTES, check_frames

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PIECE_BYTES = 1 << 17
_UNPACKED_PIECE_BYTES = 1 << 18  # small files are many: each read of a decompressor costs more than their bytes
_MAX_STREAMS = 100_000  # in a row; each costs a copy of what follows it in memory
_LZMA_MEMORY_BYTES = 128 << 20  # xz -9 needs 65 MiB to unpack


class ByteSource(Protocol):
    """Something to read from: fewer bytes than asked for, but never none before the end."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes."""
        ...


class _Decompressor(Protocol):
    """What bz2 and lzma decompressors have in common; ``_Gzip`` gives zlib the same face."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Gzip:
    """One gzip member; zlib itself checks the trailer's CRC and length."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._more = False  # zlib may hold back output although it has taken all input

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not (self._more or self._zlib.unconsumed_tail or self._zlib.eof)

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        output = self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))
        self._more = len(output) == max_length
        return output


class _Multistream:
    """One or more compressed streams, each complete, and nothing else."""

    def __init__(self, source: ByteSource, make: Callable[[], _Decompressor]) -> None:
        self._source = source
        self._make = make
        self._stream = make()
        self._streams = 1
        self._done = False

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, b"" at the end of the last complete stream."""
        while not self._done:
            if self._stream.eof:
                rest = self._stream.unused_data or self._source.read(_PIECE_BYTES)
                if not rest:
                    self._done = True
                    break
                self._stream = self._make()
                self._streams += 1
                if self._streams > _MAX_STREAMS:
                    raise refuse(f"consists of more than {_MAX_STREAMS} compressed streams")
            else:
                rest = self._source.read(_PIECE_BYTES) if self._stream.needs_input else b""
                if not rest and self._stream.needs_input:
                    raise refuse("is cut short: its compressed data has no end")
            if data := self._stream.decompress(rest, size):
                return data
        return b""


class ForwardReader:
    """Exact forward reads with the archive's limits; what is unpacked and not yet asked for waits in memory."""

    def __init__(self, source: ByteSource, *, packed_bytes: int, limits: Limits) -> None:
        self._source = source
        self._packed_bytes = packed_bytes
        self._limits = limits
        self._unpacked_bytes = 0
        self._waiting = b""
        self._at = 0

    def some(self, size: int) -> bytes:
        """Return up to ``size`` bytes, b"" at the end.

        Raises:
            IntegrityError: the compressed data is damaged, cut short, or unpacks to more than the limits allow.
        """
        at = self._at
        if at == len(self._waiting):
            self._waiting, at = self._unpack(), 0
        data = self._waiting[at : at + size]
        self._at = at + len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes; for small sizes.

        Raises:
            IntegrityError: there are fewer.
        """
        parts = list(self.pieces(size))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield ``size`` bytes in pieces of at most 256 KiB.

        Raises:
            IntegrityError: there are fewer.
        """
        while size:
            data = self.some(size)
            if not data:
                raise refuse("is cut short in the middle of an entry")
            size -= len(data)
            yield data

    def _unpack(self) -> bytes:
        try:
            data = self._source.read(_UNPACKED_PIECE_BYTES)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            # bz2 says OSError for bad data, without a number; one with a number is the disk's.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise refuse(f"has damaged compressed data: {error}") from error
        self._unpacked_bytes += len(data)
        judge_size(total_bytes=self._unpacked_bytes, packed_bytes=self._packed_bytes, limits=self._limits)
        return data


class _Hashed:
    """A source whose bytes go through a digest on the way."""

    def __init__(self, source: ByteSource, digest: hashlib._Hash) -> None:
        self._source = source
        self._digest = digest

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes."""
        data = self._source.read(size)
        self._digest.update(data)
        return data


@contextmanager
def open_stream(
    path: Path, compression: str, *, limits: Limits = DEFAULT_LIMITS, packed_digest: hashlib._Hash | None = None
) -> Iterator[ForwardReader]:
    """Open a compressed file for one pass.

    Args:
        path: of the file.
        compression: ``gz``, ``xz``, ``bz2``, ``zst`` or empty.
        limits: on what comes out; headers and padding count, so the total is checked a little early.
        packed_digest: is given every byte of the file, at the latest at the end of the context.

    Raises:
        IntegrityError: at once when zstd frames are incomplete, while reading for everything else.
    """
    with path.open("rb") as raw:
        if compression == "zst":
            check_frames(raw)
            raw.seek(0)
        source: ByteSource = raw if packed_digest is None else _Hashed(raw, packed_digest)
        yield ForwardReader(_source(source, compression), packed_bytes=path.stat().st_size, limits=limits)
        while source.read(CHUNK_BYTES):
            pass


def _source(raw: ByteSource, compression: str) -> ByteSource:
    match compression:
        case "gz":
            return _Multistream(raw, _Gzip)
        case "bz2":
            return _Multistream(raw, bz2.BZ2Decompressor)
        case "xz":
            return _Multistream(raw, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _LZMA_MEMORY_BYTES))
        case "zst":
            return _Zstd(raw)
        case _:
            return raw


class _Zstd:
    """All frames of a file whose frames are known to be complete (``check_frames``)."""

    def __init__(self, raw: ByteSource) -> None:
        import zstandard  # noqa: PLC0415  # a compiled module that most commands do not need

        self._error = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        self._reader = decompressor.stream_reader(
            cast("IO[bytes]", raw), read_size=_PIECE_BYTES, read_across_frames=True, closefd=False
        )

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes."""
        try:
            return self._reader.read(size)
        except self._error as error:
            raise ValueError(str(error)) from error
