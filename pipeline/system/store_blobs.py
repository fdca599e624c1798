"""Files in the store."""

from __future__ import annotations

import io
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from pipeline.digest import CHUNK_BYTES, require_digest
from pipeline.errors import IntegrityError
from pipeline.model.result import BlobRef
from pipeline.system.checked_reading import CheckedReader
from pipeline.system.disk import disk_errors, sync_folder, sync_path
from pipeline.system.store_layout import MAKE_AGAIN, StoreLayout, file_digest, move

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class BlobStore(StoreLayout):
    """Files whose name is their digest."""

    def has_blob(self, sha256: str) -> bool:
        """Tell whether a file is there; its bytes are not read."""
        return self.blob_path(sha256).is_file()

    @contextmanager
    def open_blob(self, blob: BlobRef) -> Iterator[BinaryIO]:
        """Open a file for one pass; the bytes are checked as they are read to the end.

        Raises:
            IntegrityError: it is not there, or (on reaching the end) it changed; a changed file is set aside.
        """
        path = self.blob_path(blob.sha256)
        try:
            stream = path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise IntegrityError(f"{blob.filename} ({blob.sha256}) is not in the store", hint=MAKE_AGAIN) from error

        def changed(found: str) -> NoReturn:
            self.set_aside(path)
            raise IntegrityError(
                f"{blob.filename}: the stored file changed: sha256 is {found}, expected {blob.sha256}", hint=MAKE_AGAIN
            )

        with stream:
            reader = CheckedReader(
                cast("BinaryIO", stream), sha256=blob.sha256, size_bytes=blob.size_bytes, changed=changed
            )
            yield cast("BinaryIO", io.BufferedReader(reader, buffer_size=CHUNK_BYTES))

    def copy_blob(self, blob: BlobRef, destination: Path) -> None:
        """Write a verified copy with mode 0644: under a temporary name first, renamed when complete.

        Raises:
            IntegrityError: as for ``open_blob``; nothing is written.
            NoSpaceError: nothing is left at the destination.
            HostError: the destination may not be written.
        """
        temporary = destination.with_name(f".{secrets.token_hex(8)}.part")
        with disk_errors(destination.parent):
            try:
                with self.open_blob(blob) as source, temporary.open("xb") as sink:
                    shutil.copyfileobj(source, sink, CHUNK_BYTES)
                temporary.chmod(0o644)
                sync_path(temporary)
                temporary.replace(destination)
            finally:
                temporary.unlink(missing_ok=True)

    def add_blob(self, path: Path, *, filename: str, sha256: str | None = None) -> BlobRef:
        """Move a finished file into the store (same file system or copied); return its digest and size.

        Args:
            path: of the file; it is gone afterwards.
            filename: to call it.
            sha256: that it must have; a file with another one stays where it is.

        Raises:
            IntegrityError: it is not what ``sha256`` says.
        """
        with disk_errors(self.cache_dir):
            found = file_digest(path)
        return self.add_hashed_blob(path, filename=filename, sha256=sha256, found=found)

    def add_hashed_blob(self, path: Path, *, filename: str, sha256: str | None, found: tuple[str, int]) -> BlobRef:
        """Move a finished file into the store, whose digest and size were found by reading all of it a moment ago.

        Otherwise as ``add_blob``; nobody else may know the file's name meanwhile.
        """
        digest, size = found
        if sha256 is not None:
            require_digest(what=filename, expected=sha256, found=digest)
        with disk_errors(self.cache_dir), self.staging.place() as staged:
            move(path, staged)
            staged.chmod(0o644)
            if self.durable:
                sync_path(staged)
            final = self.blob_path(digest)
            final.parent.mkdir(exist_ok=True)
            # Replacing is right even when it is there: this copy was read a moment ago, that one may have rotted.
            staged.replace(final)
            if self.durable:
                sync_folder(final.parent)
        return BlobRef(sha256=digest, size_bytes=size, filename=filename)

    def drop_blob(self, sha256: str) -> None:
        """Remove a file; one that is not there is no error."""
        with disk_errors(self.cache_dir):
            self.blob_path(sha256).unlink(missing_ok=True)
