"""The ``.tar.gz`` of a ``.tar.zst``: the same tar, for systems that have no zstd.

Where the tar is written without its end, as layers are (``archive_writing``), the end is added: what reads gzip knows
nothing of archives that concatenate.
"""

from __future__ import annotations

import gzip
import hashlib
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.system.archive_streams import open_stream
from pipeline.system.archive_writing import END_OF_ARCHIVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.system.archive_members import Limits

GZIP_LEVEL = 6
"""Fixed, so that the bytes are: 6.29 MB for 16.4 MB of llama.cpp's binaries, where zstd -19 has 4.70."""


def gzip_of(archive: Path, destination: Path, *, limits: Limits) -> None:
    """Write the gzip of a ``.tar.zst``'s content to a new file: no name and no time stamp in it.

    Raises:
        IntegrityError: the archive is damaged.
    """
    with (
        destination.open("xb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0) as sink,
    ):
        for piece in _content(archive, limits):
            sink.write(piece)


def is_gzip_of(archive: Path, made: Path, *, limits: Limits) -> bool:
    """Tell whether a file holds exactly what ``gzip_of`` would write, however zlib compressed it.

    Raises:
        IntegrityError: the archive itself is damaged.
    """
    expected = _digest(_content(archive, limits))
    try:
        return made.is_file() and _digest(_pieces(made, "gz", limits)) == expected
    except IntegrityError:
        return False


def _content(archive: Path, limits: Limits) -> Iterator[bytes]:
    yield from _pieces(archive, "zst", limits)
    yield END_OF_ARCHIVE


def _pieces(path: Path, compression: str, limits: Limits) -> Iterator[bytes]:
    with open_stream(path, compression, limits=limits) as reader:
        while piece := reader.some(CHUNK_BYTES):
            yield piece


def _digest(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
