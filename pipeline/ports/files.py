"""Archives, folders, binaries, durable changes and private files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.model.binary import BinaryCard
    from pipeline.model.layer_content import FileFootprint
    from pipeline.model.tree import Tree
    from pipeline.ports.placed_tree import PlacedTree


class Archiver(Protocol):
    """Deterministic archives, and the one way of unpacking any."""

    def pack(
        self,
        tree: Path,
        destination: Path,
        *,
        epoch_seconds: int,
        zstd_level: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write a folder as deterministic ``.tar.zst`` without end-of-archive blocks, so that archives concatenate.

        ``progress`` is told now and then how many bytes of the files are packed, and how many there are.
        """
        ...

    def concatenate(self, parts: Iterable[Path], destination: Path, *, extra: Path, epoch_seconds: int) -> None:
        """Join packed archives and the files of folder ``extra`` into one self-contained ``.tar.zst``."""
        ...

    def unpack(self, archive: Path, destination: Path, *, strip_top: bool = False, subtree: str | None = None) -> int:
        """Unpack into an empty folder, whole or not at all; return the number of files.

        With ``strip_top`` the archive's single top folder is left out; ``subtree`` keeps only that folder's content.

        Raises:
            IntegrityError: the archive is malformed, or has a path, link or type that is refused; nothing is left.
            NoSpaceError: nothing is left.
        """
        ...

    def unpack_signed(self, archive: Path, destination: Path, *, sha256: str, files_bytes: int) -> Tree:
        """Unpack an archive of known digest and unpacked size; return its files with the digests of what was written.

        Raises:
            IntegrityError: as for ``unpack``, or it is not that archive; nothing is left.
            NoSpaceError: nothing is left.
        """
        ...

    def pack_delta(
        self,
        old: PlacedTree,
        new: PlacedTree,
        destination: Path,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write a ``.tar.zst`` that makes the files of ``new`` out of those of ``old``; always the same bytes.

        ``progress`` is told now and then how many bytes of the new files were looked at, and how many there are.

        Raises:
            IntegrityError: a file is not what its tree says.
            NoSpaceError: nothing is left at the destination.
        """
        ...

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
        """Make a tree of known digest and size out of a delta of known digest and the folder that it starts from.

        Raises:
            IntegrityError: the archive is malformed or not that one, or what comes out is not that tree, because a
                file of ``old`` is gone or was changed; nothing is left.
            NoSpaceError, or what ``go_on`` raises, which is called every few megabytes: nothing is left.
        """
        ...

    def write_gzip(self, archive: Path, destination: Path) -> None:
        """Write what a ``.tar.zst`` holds as ``.tar.gz``, for systems that cannot unpack the former.

        Raises:
            IntegrityError: the archive is damaged; nothing is left.
            NoSpaceError: nothing is left.
        """
        ...

    def is_gzip_of(self, archive: Path, gzip: Path) -> bool:
        """Tell whether ``gzip`` is what ``write_gzip`` makes of ``archive``, by whatever version of zlib.

        Raises:
            IntegrityError: the archive is damaged.
        """
        ...


class TreeReader(Protocol):
    """Reads folders as values."""

    def scan(self, folder: Path, *, exclude: tuple[str, ...] = ()) -> Tree:
        """Return every file and link of ``folder`` with digests; names in ``exclude`` are left out at its top.

        Raises:
            IntegrityError: it holds something that is neither file, link nor folder, or a name that is no clean UTF-8.
        """
        ...


class BinaryInspector(Protocol):
    """Reads executables and shared libraries of Linux, Windows and macOS."""

    def inspect(self, path: Path) -> BinaryCard | None:
        """Return what a binary says of itself, None for any other file.

        Raises:
            IntegrityError: it starts like a binary, or is named like a Windows one, and cannot be read as one.
            HostError: what reads this kind of binary is not installed.
        """
        ...


class LayerReader(Protocol):
    """Reads what layers hold without unpacking them."""

    def read(
        self,
        archive: Path,
        *,
        sha256: str,
        tree_sha256: str,
        files_bytes: int,
        scratch_dir: Path,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[FileFootprint, ...]:
        """Return the files of a layer's archive, sorted by path; every byte is held against both digests.

        The archive is hashed before anything in it is looked at. ``files_bytes`` are those of all files together: more
        is noticed before it is unpacked. ``scratch_dir`` takes a large binary while it is looked into; ``progress`` is
        told how many bytes of the files are read.

        Raises:
            IntegrityError: the archive is not there, damaged, or not what the digests say; it is named.
            NoSpaceError: there is no room in ``scratch_dir``.
        """
        ...


class Disk(Protocol):
    """Changes to folders that survive a crash, one step a call; whoever replaces it can stop between any two.

    Each call raises HostError where the place cannot be written, NoSpaceError where the disk is full.
    """

    def make_dirs(self, path: Path, *, durable: bool = True) -> None:
        """Make a folder and those above it; one that is there is no error.

        ``durable`` syncs the parent of each new one; staging folders, which ``sync`` covers later, go without.
        """
        ...

    def write_file(self, path: Path, data: bytes) -> None:
        """Write a new file, not yet synced: for staging folders."""
        ...

    def replace_file(self, path: Path, data: bytes, *, staging_dir: Path) -> None:
        """Write, sync and rename over ``path``: a reader sees the old or the new bytes, also after a crash.

        ``staging_dir`` is on the same file system and holds the temporary file.
        """
        ...

    def copy_file(
        self, source: Path, destination: Path, *, offset_bytes: int = 0, size_bytes: int | None = None
    ) -> tuple[str, int]:
        """Copy to a new file, not yet synced; return sha256 and size of the bytes that were written.

        With ``size_bytes`` only so many bytes from ``offset_bytes`` on; fewer where the source is shorter.
        """
        ...

    def write_chunks(self, path: Path, chunks: Iterable[bytes], *, executable: bool = False) -> tuple[str, int]:
        """Write a new file of chunks as they come, not yet synced; return sha256 and size of what was written."""
        ...

    def link_file(self, source: Path, destination: Path) -> None:
        """Make a hard link (of a symbolic link itself, not of its target), or a copy where that is impossible."""
        ...

    def link_tree(self, links: Mapping[str, str], destination: Path, *, folders: Iterable[str]) -> None:
        """Make hard links as ``link_file`` does, by the thousand.

        Args:
            links: POSIX path below ``destination`` to the file or link that it is another name of.
            destination: a folder; made with those above it where it is not there.
            folders: POSIX paths below ``destination`` that the links are in, parents first; may be there.
        """
        ...

    def link_symbolic(self, target: str, path: Path) -> None:
        """Make a symbolic link at ``path``."""
        ...

    def sync(self, folder: Path) -> None:
        """Bring everything below ``folder`` to the disk, with one call where the system has one."""
        ...

    def sync_names(self, folder: Path) -> None:
        """Bring the names in one folder to the disk, not what is below them."""
        ...

    def move(self, source: Path, destination: Path, *, durable: bool = True) -> None:
        """Rename a file or a folder to a name that is free, and sync both parents.

        Without ``durable`` nothing is synced: out of a staging folder, before ``sync_names`` of the other parent.

        Raises:
            FileExistsError: the name is taken.
        """
        ...

    def move_over(self, source: Path, destination: Path, *, durable: bool = True) -> None:
        """Rename a file that is synced to a name that may be another file's, and sync both parents.

        A reader sees the old or the new file, also after a crash. Without ``durable`` the names are not synced; see
        ``sync_names``.
        """
        ...

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder; one that is not there is no error."""
        ...

    def lock(self, path: Path, *, waiting: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Hold a lock that ends with the process; ``waiting`` is called once when somebody else holds it."""
        ...

    def lock_holder(self, path: Path) -> str:
        """Return who holds a lock, in words: which process, and whether it is stopped, where the system tells."""
        ...


class KeyFiles(Protocol):
    """Files with private keys."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder that only its owner can enter.

        Raises:
            HostError: it cannot be made.
        """
        ...

    def create(self, path: Path, data: bytes) -> None:
        """Write a new file that only its owner can read (mode 0600, never over a file that is there).

        Raises:
            UsageError: the file is there already.
            HostError, NoSpaceError: it cannot be written; nothing of it is left.
        """
        ...

    def replace(self, path: Path, data: bytes) -> None:
        """Replace a file, or write it where there is none: readable by its owner alone, whole also after a crash.

        Raises:
            HostError, NoSpaceError: it cannot be written; nothing of it is left.
        """
        ...

    def read(self, path: Path) -> bytes:
        """Return a private file's bytes.

        Raises:
            TrustError: others can read it, or it is no plain file.
            UsageError: it is not there.
        """
        ...
