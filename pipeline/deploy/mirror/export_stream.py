"""The stream of an export: the files of a mirror one after the other, each checked as it is read to its end."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.export_index import open_plain
from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.model.mirror_export import offsets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.model.mirror_export import ExportedFile


class ExportStream:
    """Bytes of the stream from some position on, taken in pieces.

    A file is hashed from its first byte, also where the stream is entered in its middle, so every file that has its
    last byte taken is checked.
    """

    def __init__(self, mirror: Path, files: tuple[ExportedFile, ...], *, position: int) -> None:
        """Read nothing yet."""
        self._chunks = self._read(mirror, files, position)
        self._rest = b""

    def take(self, size: int) -> Iterator[bytes]:
        """Yield the next ``size`` bytes.

        Raises:
            IntegrityError: a file is not what it was listed as.
        """
        while size:
            chunk = self._rest or next(self._chunks)
            self._rest = chunk[size:]
            chunk = chunk[:size]
            size -= len(chunk)
            yield chunk
        if not self._rest:
            self._rest = next(self._chunks, b"")  # checks the file that ended right here

    @staticmethod
    def _read(mirror: Path, files: tuple[ExportedFile, ...], position: int) -> Iterator[bytes]:
        for file, offset in zip(files, offsets(files), strict=True):
            if offset + file.size > position:
                yield from _file(mirror / file.path, file, skip=max(0, position - offset))


def _file(path: Path, file: ExportedFile, *, skip: int) -> Iterator[bytes]:
    digest, done = hashlib.sha256(), 0
    try:
        stream = open_plain(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _changed(path, "it is gone") from error
    with stream:
        while chunk := stream.read(min(CHUNK_BYTES, file.size - done + 1)):
            digest.update(chunk)
            done += len(chunk)
            if done > file.size:
                break
            fresh = chunk[max(0, skip - (done - len(chunk))) :]
            if done == file.size:
                _check(path, file, digest.hexdigest())
            if fresh:
                yield fresh
    if done != file.size:
        raise _changed(path, f"it has not the {file.size} bytes that it should have")


def _check(path: Path, file: ExportedFile, found: str) -> None:
    if found != file.sha256:
        raise _changed(path, f"sha256 is {found}, expected {file.sha256}")


def _changed(path: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"{path}: {why}",
        hint="the mirror is damaged or was changed meanwhile: `mirror verify` says which, and what mends it",
    )
