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
    from collections.abc import Iterator, Sequence
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
    compression = _format_of(archive).compression
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


def _format_of(archive: Path) -> _Format:
    name = archive.name.lower()
    for form in _FORMATS:
        if name.endswith(form.suffixes):
            with archive.open("rb") as stream:
                stream.seek(form.magic_offset)
                if stream.read(len(form.magic)) != form.magic:
                    raise refuse(f"is called {form.suffixes[0]} but is something else")
            return form
    known = ", ".join(suffix for form in _FORMATS for suffix in form.suffixes)
    raise refuse(f"has a name that says no supported format ({known})")


def select(members: Sequence[Member], *, strip_top: bool, subtree: str | None) -> list[Member | None]:
    """Return each member under the path it is kept under, None for one that is left out.

    Raises:
        IntegrityError: there is no single top folder to leave out, or nothing in ``subtree``.
    """
    prefix = ""
    if strip_top:
        tops = {member.path.split("/")[0] for member in members}
        if len(tops) != 1 or any("/" not in member.path and member.kind != "folder" for member in members):
            raise refuse("has no single top folder")
        prefix = f"{tops.pop()}/"
    if subtree is not None:
        prefix += f"{subtree}/"
    kept = [
        replace(member, path=member.path.removeprefix(prefix)) if member.path.startswith(prefix) else None
        for member in members
    ]
    if subtree is not None and not any(kept):
        raise refuse(f"has nothing in the folder {subtree}")
    return kept


@contextmanager
def naming(archive: Path) -> Iterator[None]:
    """Put the archive's name in front of what is wrong with it."""
    try:
        yield
    except IntegrityError as error:
        raise IntegrityError(f"{archive.name} {error.message}", hint=error.hint) from error
