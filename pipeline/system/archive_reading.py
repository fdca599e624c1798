"""Any supported archive as a sequence of members, and which of them are kept under which path."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.system.archive_members import Limits, Member, refuse
from pipeline.system.archive_streams import open_stream
from pipeline.system.tar_members import read_members
from pipeline.system.zip_members import read_zip

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterator
    from pathlib import Path


class _Format(NamedTuple):
    """One kind of archive: its file names, and how it begins."""

    suffixes: tuple[str, ...]
    magic: bytes
    magic_offset: int
    compression: str


_FORMATS = (
    _Format((".tar.gz", ".tgz"), b"\x1f\x8b\x08", 0, "gz"),
    _Format((".tar.xz", ".txz"), b"\xfd7zXZ\0", 0, "xz"),
    _Format((".tar.bz2", ".tbz2"), b"BZh", 0, "bz2"),
    _Format((".tar.zst",), b"\x28\xb5\x2f\xfd", 0, "zst"),
    _Format((".tar",), b"ustar", 257, ""),
    _Format((".zip", ".whl"), b"PK", 0, "zip"),
)


def read_archive(
    archive: Path, *, limits: Limits, packed_digest: hashlib._Hash | None = None
) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield each member of an archive with its bytes; bytes that are not taken are skipped, but checked.

    ``packed_digest`` has taken every byte of the file itself when the last member was taken.

    Raises:
        IntegrityError: it is none of the supported formats, its name says another one than its content, or it is
            damaged.
    """
    compression = require_format(archive)
    if compression == "zip":
        with archive.open("rb") as stream:
            if packed_digest is not None:
                while chunk := stream.read(CHUNK_BYTES):
                    packed_digest.update(chunk)
            yield from read_zip(stream, limits=limits)
        return
    with open_stream(archive, compression, limits=limits, packed_digest=packed_digest) as reader:
        # Layers end without a mark so that they concatenate; zstd frames say for themselves whether they are whole.
        yield from read_members(reader, limits=limits, end_required=compression != "zst")


def require_format(archive: Path) -> str:
    """Return how an archive is compressed: ``zip``, or what ``open_stream`` takes.

    Raises:
        IntegrityError: it is none of the supported formats, or its name says another one than its content.
    """
    name = archive.name.lower()
    for form in _FORMATS:
        if name.endswith(form.suffixes):
            with archive.open("rb") as stream:
                stream.seek(form.magic_offset)
                if stream.read(len(form.magic)) != form.magic:
                    raise refuse(f"is called {form.suffixes[0]} but is something else")
            return form.compression
    known = ", ".join(suffix for form in _FORMATS for suffix in form.suffixes)
    raise refuse(f"has a name that says no supported format ({known})")


class Selection:
    """Which members of an archive are kept, and under which path."""

    def __init__(self, *, strip_top: bool, subtree: str | None) -> None:
        """Leave out the single top folder, or keep only what is in ``subtree`` (below that folder), or both."""
        self._strip_top = strip_top
        self._subtree = subtree
        self._top: str | None = None
        self._prefix = f"{subtree}/" if subtree is not None else ""
        self._found = False

    def keep(self, member: Member) -> Member | None:
        """Return the next member under the path that it is kept under, None when it is left out.

        Raises:
            IntegrityError: there is no single top folder to leave out.
        """
        if self._strip_top:
            self._check_top(member)
        if not member.path.startswith(self._prefix):
            return None
        self._found = True
        return replace(member, path=member.path.removeprefix(self._prefix)) if self._prefix else member

    def finish(self) -> None:
        """Judge what was left of the whole list.

        Raises:
            IntegrityError: there was no top folder to leave out, or nothing in ``subtree``.
        """
        if self._strip_top and self._top is None:
            raise refuse("has no single top folder")
        if self._subtree is not None and not self._found:
            raise refuse(f"has nothing in the folder {self._subtree}")

    def _check_top(self, member: Member) -> None:
        top, inside, _ = member.path.partition("/")
        if self._top is None:
            self._top = top
            self._prefix = f"{top}/{self._prefix}"
        if top != self._top or not (inside or member.kind == "folder"):
            raise refuse("has no single top folder")


@contextmanager
def naming(archive: Path) -> Iterator[None]:
    """Put the archive's name in front of what is wrong with it."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(f"{archive.name} {error.message}", hint=error.hint) from error
