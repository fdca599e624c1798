"""What a conda package says of itself: its index and the prefixes that were written into its files.

Formats: conda's documentation, "Package specification" (``info/index.json``, ``info/paths.json``) and CEP 1 (``.conda``
is a zip of two zstd archives). The files themselves are never unpacked here.
"""

from __future__ import annotations

import tarfile
import zipfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Literal, NamedTuple, cast

import zstandard
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIMIT_BYTES = 64 << 20  # of one document; conda-forge's longest paths.json have some 10 MB
_INDEX, _PATHS = "info/index.json", "info/paths.json"


class CondaIndex(BaseModel):
    """What of ``info/index.json`` is held against the channel's record; other keys may stand beside it."""

    model_config = ConfigDict(frozen=True)
    name: str
    version: str
    build: str
    build_number: int


class _PathEntry(BaseModel):
    prefix_placeholder: str | None = None
    file_mode: Literal["text", "binary"] | None = None


class _Paths(BaseModel):
    paths: tuple[_PathEntry, ...]


class CondaInfo(NamedTuple):
    """What a package says of itself.

    Attributes:
        named: name, version and build.
        prefix_limit: longest prefix, in bytes, that it can be linked into: the shortest placeholder in a binary file,
            whose bytes cannot grow. None where text files alone have the prefix in them, or none has.
    """

    named: CondaIndex
    prefix_limit: int | None


def read_conda_info(path: Path) -> CondaInfo:
    """Read the metadata of a ``.conda`` or ``.tar.bz2`` package as a stream.

    Raises:
        IntegrityError: it is no such archive, or has no index or no list of paths.
    """
    hint = "the channel's package is broken; lock another build of it"
    try:
        with _open_info(path) as archive:
            found = _read_members(archive)
        index = CondaIndex.model_validate_json(found[_INDEX])
        paths = _Paths.model_validate_json(found[_PATHS])
    except (zipfile.BadZipFile, tarfile.TarError, zstandard.ZstdError, EOFError, OSError) as error:
        raise IntegrityError(
            f"{path.name} is no conda package: {str(error) or 'it ends too early'}", hint=hint
        ) from error
    except KeyError as error:
        raise IntegrityError(f"{path.name} has no {error.args[0]}", hint=hint) from error
    except ValidationError as error:
        raise IntegrityError(f"{path.name}: its metadata cannot be read: {error.errors()[0]['msg']}", hint=hint) from (
            error
        )
    lengths = [
        len(entry.prefix_placeholder.encode())
        for entry in paths.paths
        if entry.prefix_placeholder and entry.file_mode == "binary"
    ]
    return CondaInfo(index, min(lengths, default=None))


@contextmanager
def _open_info(path: Path) -> Iterator[tarfile.TarFile]:
    """Open the archive that has the metadata; that of ``.tar.bz2`` has the files too."""
    if path.name.endswith(".tar.bz2"):
        with tarfile.open(path, "r|bz2") as archive:
            yield archive
        return
    with zipfile.ZipFile(path) as container:
        names = [name for name in container.namelist() if name.startswith("info-") and name.endswith(".tar.zst")]
        if len(names) != 1:
            raise zipfile.BadZipFile("it has not one archive of metadata")
        with (
            container.open(names[0]) as packed,
            zstandard.ZstdDecompressor().stream_reader(packed) as stream,
            tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|") as archive,
        ):
            yield archive


def _read_members(archive: tarfile.TarFile) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for member in archive:
        if member.name not in {_INDEX, _PATHS}:
            continue
        stream = archive.extractfile(member)
        if stream is None or member.size > _LIMIT_BYTES:
            raise tarfile.TarError(f"{member.name} is no file, or longer than {_LIMIT_BYTES >> 20} MiB")
        found[member.name] = stream.read()
        if len(found) == 2:  # a .tar.bz2 goes on with all the files
            break
    return found
