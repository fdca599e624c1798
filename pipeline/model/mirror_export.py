"""An exported mirror: the index of its parts and files, and what export and import say of their work.

The files of a mirror, one after the other in the index's order, are one stream of bytes; parts are pieces of it of one
size. The index says where everything is, so the stream has no framing of its own that could be read in two ways.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pipeline.model.frozen import Frozen, Sha256
from pipeline.model.mirror_paths import COPIES, PublicPath, metadata_folder_of, sha256_of_blob

INDEX_FILE = "index.json"
LARGEST_SMALL_FILE_BYTES = 64 << 20  # metadata and lists: what a client reads into its memory
LARGEST_STREAM_BYTES = 1 << 50
MOST_PARTS = 9999

ExportId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
PartName = Annotated[str, StringConstraints(pattern=r"^mirror-[0-9a-f]{16}-[0-9]{4}\.part$")]
FileMode = Literal[420, 493]
"""0644 or 0755, as an integer."""


class ExportedFile(Frozen):
    """One file of a mirror.

    Attributes:
        path: relative to the mirror.
        size: in bytes.
        sha256: of it.
        mode: permission bits.
    """

    path: PublicPath
    size: int = Field(ge=0, le=LARGEST_STREAM_BYTES)
    sha256: Sha256
    mode: FileMode = 420

    @model_validator(mode="after")
    def _is_what_its_path_says(self) -> Self:
        blob = sha256_of_blob(self.path)
        if blob is not None and blob != self.sha256:
            raise ValueError("a blob lies under its own digest")
        is_small = self.path in COPIES or metadata_folder_of(self.path) is not None
        if is_small and self.size > LARGEST_SMALL_FILE_BYTES:
            raise ValueError(f"a file of this kind has at most {LARGEST_SMALL_FILE_BYTES} bytes")
        return self


class ExportPart(Frozen):
    """One piece of the stream.

    Attributes:
        name: of its file.
        size: in bytes; the same for all but the last.
        sha256: of it.
    """

    name: PartName
    size: int = Field(gt=0, le=LARGEST_STREAM_BYTES)
    sha256: Sha256


class ExportIndex(Frozen):
    """``index.json`` of an export.

    Attributes:
        schema_version: 1.
        id: follows from all but the parts' digests; the same mirror gives the same one.
        part_size: of every part but the last, in bytes.
        parts: in their order.
        files: in the stream, in its order.
        base: files that the mirror has as well and the stream has not: the destination must hold them already.
    """

    schema_version: Literal[1] = 1
    id: ExportId
    part_size: int = Field(gt=0, le=LARGEST_STREAM_BYTES)
    parts: tuple[ExportPart, ...] = Field(max_length=MOST_PARTS)
    files: tuple[ExportedFile, ...]
    base: tuple[ExportedFile, ...] = ()

    @model_validator(mode="after")
    def _speaks_of_one_stream(self) -> Self:
        _require_own_paths((*self.files, *self.base))
        total = sum(file.size for file in self.files)
        if total > LARGEST_STREAM_BYTES:
            raise ValueError("the files are larger than any export")
        sizes = part_sizes(total, part_size=self.part_size)
        if [(part.name, part.size) for part in self.parts] != [
            (part_name(self.id, number), size) for number, size in enumerate(sizes, 1)
        ]:
            raise ValueError("the parts are not those of these files")
        return self


class ExportJournal(Frozen):
    """What an export that goes on has finished: the parts of it that are whole.

    Attributes:
        schema_version: 1.
        id: of the export.
        parts: that are written.
    """

    schema_version: Literal[1] = 1
    id: ExportId
    parts: tuple[ExportPart, ...] = ()


class ExportOutcome(Frozen):
    """What an export did, or would do.

    Attributes:
        id: of the export.
        folder: where its parts are.
        dry_run: whether nothing was written.
        changed: whether anything was, or would be.
        files: in the parts.
        base_files: that the destination must have already.
        bytes_total: of all parts.
        bytes_written: of the parts that were written now, or would be.
        parts: all of them.
        kept: parts that were there already and whole.
    """

    id: ExportId
    folder: str
    dry_run: bool = False
    changed: bool
    files: int
    base_files: int
    bytes_total: int
    bytes_written: int
    parts: tuple[PartName, ...]
    kept: tuple[PartName, ...] = ()


class ImportOutcome(Frozen):
    """What an import did.

    Attributes:
        id: of the export.
        mirror: where it was brought to.
        complete: whether the mirror is now what was exported.
        dry_run: whether nothing was written.
        changed: whether the mirror's content changed, or would.
        taken: parts that were read now.
        missing: parts that are still needed.
        files_added: that the mirror did not have, from all disks.
        bytes_added: size of them.
        timestamp: version of the timestamp that the trusted root's lane has now; None while parts are missing.
    """

    id: ExportId
    mirror: str
    complete: bool
    dry_run: bool = False
    changed: bool
    taken: tuple[PartName, ...] = ()
    missing: tuple[PartName, ...] = ()
    files_added: int = 0
    bytes_added: int = 0
    timestamp: int | None = None


def part_name(identity: str, number: int) -> str:
    """Return the name of a part; the first is number 1."""
    return f"mirror-{identity}-{number:04}.part"


def part_sizes(total: int, *, part_size: int) -> list[int]:
    """Return the sizes of the parts that ``total`` bytes are cut into.

    Raises:
        ValueError: there would be more than ``MOST_PARTS``.
    """
    if -(-total // part_size) > MOST_PARTS:
        raise ValueError(f"there would be more than {MOST_PARTS} parts")
    full, rest = divmod(total, part_size)
    return [part_size] * full + [rest] * bool(rest)


def offsets(files: tuple[ExportedFile, ...]) -> list[int]:
    """Return where each file begins in the stream."""
    return list(accumulate((file.size for file in files), initial=0))[:-1]


def _require_own_paths(files: tuple[ExportedFile, ...]) -> None:
    """Refuse two files of one path, on any system, and a file that is another one's folder."""
    folded = [file.path.lower() for file in files]
    taken = set(folded)
    if len(taken) != len(folded):
        raise ValueError("a path is listed twice")
    for path in folded:
        parts = path.split("/")
        if any("/".join(parts[:depth]) in taken for depth in range(1, len(parts))):
            raise ValueError(f"{path} lies below a file")
