"""``index.json`` of an export: its id, and a distrustful reader."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline.digest import canonical_json, sha256_bytes
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.manifest_document import read_document
from pipeline.model.mirror_export import INDEX_FILE, ExportedFile, ExportIndex
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO


def export_id(files: Sequence[ExportedFile], base: Sequence[ExportedFile], *, part_size: int) -> str:
    """Return what an export of these files in parts of this size is called."""
    listed = [[[file.path, file.size, file.sha256, file.mode] for file in each] for each in (files, base)]
    return sha256_bytes(b"engine-pipeline mirror export v1\n" + canonical_json([part_size, *listed]))[:16]


def parse_index(data: bytes, *, what: str) -> ExportIndex:
    """Read an index that somebody else may have written.

    Raises:
        IntegrityError: it is no strict JSON of the closed schema, or contradicts itself.
    """
    index = read_document(ExportIndex, data, what=what)
    if index.id != export_id(index.files, index.base, part_size=index.part_size):
        raise IntegrityError(f"{what}: the id is not the one of its files", hint="it was changed; carry it again")
    return index


def find_index(folder: Path) -> ExportIndex | None:
    """Return the index in a folder, None when there is none.

    Raises:
        IntegrityError: as ``parse_index``, or it is no plain file.
    """
    data = read_plain(folder / INDEX_FILE)
    return None if data is None else parse_index(data, what=str(folder / INDEX_FILE))


def read_index(place: Path) -> ExportIndex:
    """Return the index that a file is or a folder holds.

    Raises:
        UsageError: there is none.
        IntegrityError: as ``find_index``.
    """
    if not place.is_dir():
        data = read_plain(place)
        if data is not None:
            return parse_index(data, what=str(place))
    elif (found := find_index(place)) is not None:
        return found
    raise UsageError(f"{place} is no mirror and no export", hint="give a mirror's folder, or an export's index.json")


def read_plain(path: Path) -> bytes | None:
    """Return the bytes of a small file, None when there is none.

    Raises:
        IntegrityError: it is longer than any index, cannot be read, or is no plain file.
    """
    try:
        with open_plain(path) as stream:
            return stream.read(LIMIT_BYTES + 1)  # one more: the reader of JSON refuses it with its size
    except (FileNotFoundError, NotADirectoryError):
        return None


def open_plain(path: Path) -> BinaryIO:
    """Open a plain file for reading; no link is followed and nothing waits for a pipe.

    Raises:
        FileNotFoundError, NotADirectoryError: there is none.
        IntegrityError: it cannot be read, or is no plain file.
    """
    # O_NONBLOCK: opening a named pipe would wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise IntegrityError(f"cannot read {path}: {error.strerror}", hint="it must be a plain file") from error
    stream = os.fdopen(descriptor, "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise IntegrityError(f"{path} is no plain file", hint="a link, a pipe or a folder stands in its place")
    return stream
