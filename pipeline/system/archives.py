"""Archives: packing deterministically, joining, and the one way of unpacking any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.system.archive_members import DEFAULT_LIMITS, Limits, signed_limits
from pipeline.system.archive_placing import whole_file
from pipeline.system.archive_reading import naming
from pipeline.system.archive_unpacking import UnpackRequest, unpack
from pipeline.system.archive_writing import END_OF_ARCHIVE, frame, write_folder
from pipeline.system.delta_packing import write_parts
from pipeline.system.delta_unpacking import DeltaRequest, unpack_delta
from pipeline.system.disk import disk_errors, remove_tree
from pipeline.system.gzip_transport import gzip_of, is_gzip_of
from pipeline.system.zstd_frames import copy_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.model.tree import Tree
    from pipeline.ports import PlacedTree
    from pipeline.system.archive_writing import Progress

_BUNDLE_LEVEL = _DELTA_LEVEL = 19


class FileArchiver:
    """Archives on the local file system; implements ``ports.Archiver``.

    Memory stays bounded however large a file is: 54 MB for packing at level 19 (see ``archive_writing.parameters``),
    about 20 MB for unpacking what was packed here.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        """Unpack within ``limits``."""
        self._limits = limits

    def pack(
        self,
        tree: Path,
        destination: Path,
        *,
        epoch_seconds: int,
        zstd_level: int,
        progress: Progress | None = None,
    ) -> None:
        """Write a folder as deterministic ``.tar.zst`` without end-of-archive blocks, so that archives concatenate.

        ``progress`` is told, about every megabyte, how many bytes of the files are packed and how many there are.

        Raises:
            IntegrityError: the folder holds what a tree cannot, or a file changed meanwhile.
            NoSpaceError: nothing is left at the destination.
        """
        with whole_file(destination) as temporary, temporary.open("xb") as sink, frame(sink, zstd_level) as writer:
            write_folder(tree, writer, epoch_seconds=epoch_seconds, progress=progress)

    def concatenate(self, parts: Iterable[Path], destination: Path, *, extra: Path, epoch_seconds: int) -> None:
        """Join packed archives and the files of folder ``extra`` into one self-contained ``.tar.zst``.

        The frames of the parts are copied as they are; the end-of-archive blocks come last.

        Raises:
            IntegrityError: a part is damaged, or ``extra`` holds what a tree cannot.
            NoSpaceError: nothing is left at the destination.
        """
        with whole_file(destination) as temporary, temporary.open("xb") as sink:
            for part in parts:
                with naming(part), part.open("rb") as source:
                    copy_frames(source, sink)
            with frame(sink, _BUNDLE_LEVEL) as writer:
                write_folder(extra, writer, epoch_seconds=epoch_seconds)
                writer.write(END_OF_ARCHIVE)

    def unpack(self, archive: Path, destination: Path, *, strip_top: bool = False, subtree: str | None = None) -> int:
        """Unpack into an empty folder, whole or not at all; return the number of files and links.

        Every entry is judged, also where only a part is kept, and then written into a folder beside the destination,
        links last; that folder takes the destination's place when the whole archive was found good.

        Args:
            archive: .tar.gz, .tgz, .tar.xz, .txz, .tar.bz2, .tbz2, .tar.zst, .tar, .zip or .whl, by suffix and content.
            destination: a folder that is empty or not there yet.
            strip_top: leave out the single top folder.
            subtree: keep only the content of this folder (below the top folder where that is left out).

        Raises:
            IntegrityError: the archive is malformed, or has a path, link or type that is refused; nothing is left.
            NoSpaceError: nothing is left.
            UsageError: the destination is not empty.
        """
        if destination.is_dir() and any(destination.iterdir()):
            raise UsageError(f"{destination} is not empty", hint="unpack into a folder that is empty or not there")
        request = UnpackRequest(archive, destination, self._limits, strip_top=strip_top, subtree=subtree)
        return len(unpack(request).entries)

    def unpack_signed(self, archive: Path, destination: Path, *, sha256: str, files_bytes: int) -> Tree:
        """Unpack an archive whose digest and unpacked size are known; return its files with their digests.

        The digests are those of the bytes that were written, taken on the way.

        Args:
            archive: as for ``unpack``.
            destination: a folder that is empty or not there yet.
            sha256: of the archive.
            files_bytes: of all its files together; more is noticed before it is unpacked.

        Raises:
            IntegrityError: as for ``unpack``, or it is not that archive; nothing is left.
            NoSpaceError: nothing is left.
        """
        limits = signed_limits(files_bytes, self._limits)
        return unpack(UnpackRequest(archive, destination, limits, sha256=sha256, files_bytes=files_bytes))

    def pack_delta(
        self, old: PlacedTree, new: PlacedTree, destination: Path, *, progress: Progress | None = None
    ) -> None:
        """Write what makes the files of ``new`` out of those of ``old``, with time stamp 0 and level 19.

        Memory stays below 300 MB, whatever the files: 18 times the longest old run and what packing takes.

        Raises:
            IntegrityError: a file is not what its tree says.
            NoSpaceError: nothing is left at the destination.
        """
        parts = destination.with_name(f".{destination.name}.parts")
        try:
            with disk_errors(destination.parent):
                remove_tree(parts)
                write_parts(old, new, parts, progress=progress)
            self.pack(parts, destination, epoch_seconds=0, zstd_level=_DELTA_LEVEL)
        finally:
            remove_tree(parts)

    def unpack_delta(
        self,
        archive: Path,
        destination: Path,
        *,
        old: Path,
        sha256: str,
        tree_sha256: str,
        files_bytes: int,
        go_on: Callable[[], None] = lambda: None,
    ) -> Tree:
        """Make a tree out of a delta and the folder that it starts from; see ``delta_unpacking``.

        Raises:
            IntegrityError: the archive is malformed or not that one, or what comes out is not that tree; nothing is
                left.
            NoSpaceError: nothing is left.
        """
        request = DeltaRequest(archive, old, destination, self._limits, sha256, tree_sha256, files_bytes, go_on)
        with disk_errors(destination.parent):
            return unpack_delta(request)

    def write_gzip(self, archive: Path, destination: Path) -> None:
        """Write what a ``.tar.zst`` holds as ``.tar.gz``; the same bytes for the same version of zlib.

        Raises:
            IntegrityError: the archive is damaged; nothing is left.
            NoSpaceError: nothing is left.
        """
        with naming(archive), whole_file(destination) as temporary:
            gzip_of(archive, temporary, limits=self._limits)

    def is_gzip_of(self, archive: Path, gzip: Path) -> bool:
        """Tell whether ``gzip`` is what ``write_gzip`` makes of ``archive``, by whatever version of zlib.

        Raises:
            IntegrityError: the archive is damaged.
        """
        with naming(archive):
            return is_gzip_of(archive, gzip, limits=self._limits)
