"""What has come of an export so far: pieces of files from parts, joined when a file's last piece is there.

Below ``.mirror/import/<id>/`` of the mirror: ``parts/<number>/<file number>`` are pieces of a part that was whole,
``view/<path>`` are whole files in the mirror's own layout. Everything appears there by a rename.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from pipeline.deploy.hashing import hash_file
from pipeline.deploy.mirror.export_index import open_plain
from pipeline.deploy.mirror.import_sources import PartReader
from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.model.mirror_export import offsets
from pipeline.model.mirror_paths import sha256_of_blob

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.model.mirror_export import ExportedFile, ExportIndex
    from pipeline.ports import Disk


class _Segment(NamedTuple):
    """Which bytes of a part are of which file."""

    file: int
    size: int


class Pieces:
    """The state of one import.

    Attributes:
        view: folder with whole files.
    """

    def __init__(self, mirror: Path, folder: Path, index: ExportIndex, disk: Disk) -> None:
        """Look at what is there."""
        self._index = index
        self._disk = disk
        self._folder = folder
        self._begins = offsets(index.files)
        self.view = folder / "view"
        self._open = {
            number: file
            for number, file in enumerate(index.files)
            if not is_file_there(mirror, file) and not _has_size(self.view / file.path, file.size)
        }

    @property
    def left(self) -> dict[int, ExportedFile]:
        """Files that neither the mirror nor the view has, by number."""
        return dict(self._open)

    def needed_parts(self) -> tuple[int, ...]:
        """Return the numbers of the parts that hold what has not come yet; the first part is number 0."""
        return tuple(
            part
            for part in range(len(self._index.parts))
            if any(
                segment.file in self._open and not self._piece(part, segment.file).is_file()
                for segment in self._segments(part)
            )
        )

    def bytes_of(self, part: int) -> int:
        """Return how many bytes a part brings that are needed."""
        return sum(segment.size for segment in self._segments(part) if segment.file in self._open)

    def largest_spanning(self) -> int:
        """Return the size of the largest file that has not come and lies in more than one part."""
        size = self._index.part_size
        return max(
            (
                file.size
                for number, file in self._open.items()
                if file.size and self._begins[number] // size != (self._begins[number] + file.size - 1) // size
            ),
            default=0,
        )

    def take(self, part: int, path: Path) -> None:
        """Read a part once and keep what is needed of it, if it is whole.

        Raises:
            FileNotFoundError: it is not there.
            IntegrityError: it is damaged; nothing of it is kept.
            NoSpaceError, HostError: the mirror's disk is full or cannot be written.
        """
        staging, place = self._folder / "taking", self._folder / "parts" / str(part)
        self._disk.remove(staging)
        with PartReader(path, self._index.parts[part]) as reader:
            self._disk.make_dirs(staging, durable=False)
            try:
                kept: dict[int, str] = {}
                for segment in self._segments(part):
                    if segment.file in self._open:
                        kept[segment.file] = self._keep(segment, reader, staging)
                    else:
                        reader.skip(segment.size)
                reader.check()  # first: a part that is damaged is to be named, not a file in it
                for segment in self._segments(part):
                    if segment.file in kept and segment.size == self._index.files[segment.file].size:
                        _require(self._index.files[segment.file], kept[segment.file])
                self._disk.sync(staging)
                self._disk.make_dirs(place.parent)
                self._disk.remove(place)
                self._disk.move(staging, place)
            finally:
                self._disk.remove(staging)

    def join(self) -> None:
        """Make whole files of what has all its pieces.

        Raises:
            IntegrityError: a file is not what the index says although its parts are.
            NoSpaceError, HostError: as ``take``.
        """
        where: dict[int, list[int]] = {}
        for part in range(len(self._index.parts)):
            for segment in self._segments(part):
                if segment.file in self._open:
                    where.setdefault(segment.file, []).append(part)
        for number, file in self.left.items():
            pieces = [self._piece(part, number) for part in where.get(number, [])]
            if all(piece.is_file() for piece in pieces):
                self._join(number, file, pieces)

    def drop(self) -> None:
        """Remove everything that is kept of this import."""
        self._disk.remove(self._folder)

    def _keep(self, segment: _Segment, reader: PartReader, staging: Path) -> str:
        file = self._index.files[segment.file]
        found, _ = self._disk.write_chunks(
            staging / str(segment.file), reader.take(segment.size), executable=bool(file.mode & 0o100)
        )
        return found

    def _join(self, number: int, file: ExportedFile, pieces: list[Path]) -> None:
        place = self.view / file.path
        self._disk.make_dirs(place.parent, durable=False)
        if len(pieces) == 1:  # its digest was compared when it came
            self._disk.move(pieces[0], place, durable=False)  # its bytes are on the disk under either name
        else:
            joined = self._folder / "joining"
            self._disk.remove(joined)
            found, _ = self._disk.write_chunks(joined, _read(pieces), executable=bool(file.mode & 0o100))
            if found != file.sha256:
                self._disk.remove(joined)
            _require(file, found)
            self._disk.sync(self._folder)
            self._disk.move(joined, place, durable=False)
        for piece in pieces:
            self._disk.remove(piece)
        del self._open[number]

    def _piece(self, part: int, file: int) -> Path:
        return self._folder / "parts" / str(part) / str(file)

    def _segments(self, part: int) -> Iterator[_Segment]:
        """Yield which bytes of a part are of which file, in their order; empty files have none."""
        begin = part * self._index.part_size
        end = begin + self._index.parts[part].size
        number = bisect_right(self._begins, begin) - 1  # the last file that begins there or before
        while number < len(self._begins) and self._begins[number] < end:
            first = max(begin, self._begins[number])
            last = min(end, self._begins[number] + self._index.files[number].size)
            if last > first:
                yield _Segment(number, last - first)
            number += 1


def is_file_there(mirror: Path, file: ExportedFile, *, by_size: bool = False) -> bool:
    """Tell whether a mirror has a file; its bytes are read, those of a blob not with ``by_size``."""
    path = mirror / file.path
    if not _has_size(path, file.size):
        return False
    if by_size and sha256_of_blob(file.path) is not None:
        return True
    return hash_file(os.fspath(path)) == file.sha256


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size == size


def _read(pieces: list[Path]) -> Iterator[bytes]:
    for piece in pieces:
        with open_plain(piece) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk


def _require(file: ExportedFile, found: str) -> None:
    if found != file.sha256:
        raise IntegrityError(
            f"{file.path} in the export: sha256 is {found}, the index says {file.sha256}",
            hint="the export was changed after it was written; carry it again",
        )
