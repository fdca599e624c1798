"""Where an import's index and parts are: on the disks that are there now, or kept from an earlier call."""

from __future__ import annotations

import hashlib
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.export_index import find_index, open_plain, parse_index, read_plain
from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.mirror_export import INDEX_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from pipeline.model.mirror_export import ExportIndex, ExportPart

_PART = re.compile(r"mirror-([0-9a-f]{16})-[0-9]{4}\.part")


def find_export(sources: Sequence[Path], kept_dir: Path) -> ExportIndex:
    """Return the index of the export that is on these disks; one that was kept serves disks that have parts alone.

    Raises:
        UsageError: a source is no folder, or there is no index, or there are several exports.
        IntegrityError: an index is malformed, or two of one export differ.
    """
    for source in sources:
        if not source.is_dir():
            raise UsageError(
                f"there is no folder {source}", hint="name the folders with the parts, --from once for each"
            )
    found: dict[str, ExportIndex] = {}
    for place, index in ((source, find_index(source)) for source in sources):
        if index is not None and found.setdefault(index.id, index) != index:
            raise _differ(place / INDEX_FILE)
    named = {match[1] for source in sources for path in source.iterdir() if (match := _PART.fullmatch(path.name))}
    for identity in (found or named) and sorted(named | set(found)):
        data = read_plain(kept_dir / identity / INDEX_FILE)
        if data is not None:
            kept = parse_index(data, what=str(kept_dir / identity / INDEX_FILE))
            if found.setdefault(kept.id, kept) != kept:
                raise _differ(kept_dir / identity / INDEX_FILE)
    if not found:
        raise UsageError(
            f"there is no {INDEX_FILE} in {', '.join(map(str, sources))}",
            hint="give the disk with the index first; it is remembered for the others",
        )
    if len(found) > 1:
        raise UsageError(f"there are several exports: {', '.join(sorted(found))}", hint="import one after the other")
    return next(iter(found.values()))


class PartReader:
    """A part that is read once from its beginning to its end; use it as a context."""

    def __init__(self, path: Path, part: ExportPart) -> None:
        """Read nothing yet."""
        self._path = path
        self._part = part
        self._digest = hashlib.sha256()
        # Hashing lets go of the interpreter: a part is hashed while the pieces cut from it are hashed and written.
        self._hasher = ThreadPoolExecutor(1)
        self._hashing: Future[None] | None = None

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            IntegrityError: it is no plain file, or has another size than it must have.
            FileNotFoundError: it is not there.
        """
        self._stream = open_plain(self._path)
        size = os.fstat(self._stream.fileno()).st_size
        if size != self._part.size:
            self._stream.close()
            raise self._damaged(f"it has {size} bytes, not {self._part.size}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._hasher.shutdown()
        self._stream.close()

    def take(self, size: int) -> Iterator[bytes]:
        """Yield the next ``size`` bytes.

        Raises:
            IntegrityError: the medium does not give them.
        """
        while size:
            try:
                chunk = self._stream.read(min(size, CHUNK_BYTES))
            except OSError as error:
                raise self._damaged(f"the medium fails: {error.strerror}") from error
            if not chunk:
                raise self._damaged("it became shorter")
            if self._hashing is not None:
                self._hashing.result()
            self._hashing = self._hasher.submit(self._digest.update, chunk)
            size -= len(chunk)
            yield chunk

    def skip(self, size: int) -> None:
        """Read the next ``size`` bytes for the digest alone."""
        for _ in self.take(size):
            pass

    def check(self) -> None:
        """Compare the digest, after the last byte.

        Raises:
            IntegrityError: it is another part, or damaged.
        """
        if self._hashing is not None:
            self._hashing.result()
        if (found := self._digest.hexdigest()) != self._part.sha256:
            raise self._damaged(f"sha256 is {found}, expected {self._part.sha256}")

    def _damaged(self, why: str) -> IntegrityError:
        return IntegrityError(f"{self._path}: {why}", hint="copy that part again; the others are kept")


def _differ(path: Path) -> IntegrityError:
    return IntegrityError(
        f"{path} is not the index that the other disks have", hint="one of them was changed; carry the export again"
    )
