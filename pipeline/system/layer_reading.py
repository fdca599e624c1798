"""What a layer's archive holds: hashed first, then read in one pass, every file hashed, binaries looked into.

At most one file at a time is kept, and on the disk where it is large: an archive of gigabytes takes the memory of a
small one.
"""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from pipeline.digest import sha256_stream, tree_digest
from pipeline.errors import IntegrityError
from pipeline.model.layer_content import FileFootprint
from pipeline.model.tree import TreeEntry
from pipeline.system.archive_members import ListJudge, Member, refuse, signed_limits
from pipeline.system.archive_streams import open_stream
from pipeline.system.disk import full_disk_errors
from pipeline.system.elf_reading import MAGIC as ELF_MAGIC
from pipeline.system.section_sizes import section_sizes
from pipeline.system.tar_members import read_members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.model.layer_content import BinaryFormat

_IN_MEMORY_BYTES = 8 << 20
_SHORTEST_BINARY = 4
_MACHO = {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"}
_PE_SUFFIXES = (".exe", ".dll", ".pyd")


class LayerFileReader:
    """Reads layers' archives; implements ``ports.LayerReader``."""

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
        """Return the files of a layer; see ``ports.LayerReader``."""
        try:
            with full_disk_errors(scratch_dir):
                _require_archive(archive, sha256)
                files, entries = _read(archive, files_bytes, scratch_dir, progress or (lambda _done: None))
                if (found := tree_digest(entries)) != tree_sha256:
                    raise refuse(
                        "does not hold the files that the manifest names:"
                        f" their digest is {found}, expected {tree_sha256}"
                    )
                return files
        except FileNotFoundError as error:
            raise IntegrityError(
                f"{archive} is not there", hint="the folder is incomplete; make or get it anew"
            ) from error
        except IntegrityError as error:
            raise IntegrityError(f"{archive} {error.message}", hint="it was changed; make or get it anew") from error


def _require_archive(archive: Path, sha256: str) -> None:
    """See that it is the archive that was signed, before it is decompressed and its binaries are parsed."""
    with archive.open("rb") as stream:
        found, _ = sha256_stream(stream)
    if found != sha256:
        raise refuse(f"is not the archive that the manifest names: its sha256 is {found}, expected {sha256}")


def _read(
    archive: Path, files_bytes: int, scratch_dir: Path, progress: Callable[[int], None]
) -> tuple[tuple[FileFootprint, ...], list[TreeEntry]]:
    judge, limits = ListJudge(), signed_limits(files_bytes)
    files: list[FileFootprint] = []
    entries: list[TreeEntry] = []
    with open_stream(archive, "zst", limits=limits) as reader:
        for member, content in read_members(reader, limits=limits, end_required=False):
            judge.add(member)
            if judge.files_bytes > files_bytes:
                raise refuse(f"unpacks to more than the {files_bytes} bytes that the manifest names")
            if member.kind == "folder":
                continue
            entry, file = _file(member, content, scratch_dir)
            entries.append(entry)
            files.append(file)
            progress(judge.files_bytes)
    return tuple(sorted(files, key=lambda file: file.path)), entries


def _file(member: Member, content: Iterator[bytes], scratch_dir: Path) -> tuple[TreeEntry, FileFootprint]:
    if member.kind == "link":
        entry = TreeEntry(path=member.path, mode=0o777, size_bytes=0, sha256=None, link=member.link)
        return entry, FileFootprint(path=member.path, size=0, sha256=None, mode="link")
    digest = hashlib.sha256()
    first = next(content, b"")
    digest.update(first)
    form = _format(first, member.path)
    sections = None
    if form == "elf":
        with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, dir=str(scratch_dir)) as copy:
            copy.write(first)
            for piece in content:
                digest.update(piece)
                copy.write(piece)
            sections = section_sizes(cast("BinaryIO", copy))
    for piece in content:
        digest.update(piece)
    sha256, mode = digest.hexdigest(), 0o755 if member.executable else 0o644
    return (
        TreeEntry(path=member.path, mode=mode, size_bytes=member.size_bytes, sha256=sha256),
        FileFootprint(
            path=member.path,
            size=member.size_bytes,
            sha256=sha256,
            mode="executable" if member.executable else "plain",
            format=form,
            sections=sections,
        ),
    )


def _format(start: bytes, path: str) -> BinaryFormat | None:
    """Return what kind of binary a file begins like; Windows' and Java's beginnings are too short to go by alone."""
    magic = start[:_SHORTEST_BINARY]
    if magic == ELF_MAGIC:
        return "elf"
    if magic[:2] == b"MZ" and path.lower().endswith(_PE_SUFFIXES):
        return "pe"
    if magic in _MACHO and not path.endswith(".class"):
        return "macho"
    return None
