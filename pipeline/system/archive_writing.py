"""Deterministic ``.tar.zst``: the same files, time stamp and level give the same bytes on any machine.

Members stand in POSIX byte order of their paths with mtime = the given epoch, uid = gid = 0, no names and modes 0755,
0644 (links 0777); folders are implied; pax headers are written only where ustar cannot hold a value. zstd is one
library version (pyproject.toml pins it), one thread and the parameters below.

An archive is one zstd frame with a checksum and without end-of-archive blocks, so that archives concatenate.
"""

from __future__ import annotations

import os
import stat
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.system.tar_members import BLOCK_BYTES
from pipeline.system.tree_links import link_faults
from pipeline.system.trees import LINK_MODE, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zstandard import ZstdCompressionParameters, ZstdCompressionWriter

    Progress = Callable[[int, int], None]

END_OF_ARCHIVE = bytes(2 * BLOCK_BYTES)
_STRONG_LEVEL = 17  # the first with the optimal parser; below, zstd's own parameters are small and quick


def parameters(level: int) -> ZstdCompressionParameters:
    """Return zstd's parameters for a level, with its tables capped.

    Measured with level 19 on 16.4 MB of stripped llama.cpp binaries (zstandard 0.25, zstd 1.5.7, 2026-11): zstd's own
    choice (window 2^23, chain 2^24, hash 2^22) gives 4.846 MB and takes 90 MB of memory; window 2^24, chain 2^23, hash
    2^20 gives 4.702 MB and takes 54 MB, the same for files of any size. ``--ultra -22`` would give 4.663 MB for 720 MB.
    gzip -6 gives 6.292 MB.
    """
    from zstandard import ZstdCompressionParameters as Parameters  # noqa: PLC0415  # compiled, not needed by most

    own = Parameters.from_level(level)
    strong = level >= _STRONG_LEVEL
    return Parameters.from_level(
        level,
        window_log=24 if strong else min(own.window_log, 23),
        chain_log=min(own.chain_log, 23),
        hash_log=min(own.hash_log, 20 if strong else 22),
        write_checksum=True,
        write_content_size=False,
        threads=0,
    )


@contextmanager
def frame(sink: BinaryIO, level: int) -> Iterator[ZstdCompressionWriter]:
    """Write one zstd frame into ``sink``, complete at the end of the context."""
    from zstandard import ZstdCompressor  # noqa: PLC0415  # compiled, not needed by most

    compressor = ZstdCompressor(compression_params=parameters(level))
    with compressor.stream_writer(sink, write_size=CHUNK_BYTES, closefd=False) as writer:
        yield writer


class _Tally:
    """Counts bytes that are packed, and tells about every megabyte: small files are many, and not worth a word each."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._done = self._told = 0
        progress(0, total)

    def add(self, count: int) -> None:
        self._done += count
        if self._done - self._told >= CHUNK_BYTES or (self._done == self._total != self._told):
            self._told = self._done
            self._progress(self._done, self._total)


def write_folder(
    folder: Path, writer: ZstdCompressionWriter, *, epoch_seconds: int, progress: Progress | None = None
) -> None:
    """Write every file and link of ``folder`` as tar members; ``progress`` is told bytes of files, done and in all.

    Raises:
        IntegrityError: it holds what a tree cannot, or a file changed meanwhile.
    """
    items = sorted(((path, item.path) for item, path in walk(folder)), key=lambda pair: pair[0].encode())
    links = {path: os.readlink(place) for path, place in items if os.path.islink(place)}  # noqa: PTH114, PTH115
    for path, fault in link_faults(links):
        raise IntegrityError(f"{folder}: link {path} {fault}", hint="remove the link or make it relative")
    total = 0 if progress is None else sum(os.lstat(place).st_size for path, place in items if path not in links)
    tally = _Tally(total, progress or (lambda _done, _total: None))
    for path, place in items:
        if path not in links:
            _write_file(path, place, writer, tally, epoch_seconds=epoch_seconds)
            continue
        info = _header(path, mode=LINK_MODE, epoch_seconds=epoch_seconds)
        info.type = tarfile.SYMTYPE
        info.linkname = links[path]
        writer.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))


def _write_file(path: str, place: str, writer: ZstdCompressionWriter, tally: _Tally, *, epoch_seconds: int) -> None:
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        status = os.fstat(descriptor)
        info = _header(path, mode=0o755 if status.st_mode & stat.S_IXUSR else 0o644, epoch_seconds=epoch_seconds)
        info.size = status.st_size
        writer.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
        left = info.size
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                break
            writer.write(chunk)
            tally.add(len(chunk))
        if left:
            raise IntegrityError(f"{place} changed while it was packed", hint="run the same command again")
    writer.write(bytes(-info.size % BLOCK_BYTES))


def _header(path: str, *, mode: int, epoch_seconds: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mode = mode
    info.mtime = epoch_seconds
    return info
