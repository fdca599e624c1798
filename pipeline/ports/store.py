"""The content store: files and trees by digest, results by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.model.result import BlobRef, StepResult, TreeRef


class Store(Protocol):
    """Content-addressed files and trees, and the results of steps, under one cache folder."""

    @property
    def cache_dir(self) -> Path:
        """The cache folder."""
        ...

    def has_blob(self, sha256: str) -> bool:
        """Tell whether a file is there (its name is its digest)."""
        ...

    def blob_path(self, sha256: str) -> Path:
        """Return where a file is kept, there or not; for whoever checks its bytes. It is never written to."""
        ...

    def open_blob(self, blob: BlobRef) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading; the bytes are checked as they are read to the end.

        Raises:
            IntegrityError: raised on reaching the end when they changed; the file is set aside.
        """
        ...

    def copy_blob(self, blob: BlobRef, destination: Path) -> None:
        """Write a verified copy: under a temporary name first, renamed when complete; mode 0644.

        Raises:
            IntegrityError: the stored bytes changed; the file is set aside and nothing is written.
            NoSpaceError: nothing is left at the destination.
        """
        ...

    def add_blob(self, path: Path, *, filename: str) -> BlobRef:
        """Move a finished file into the store (same file system or copied); return its digest and size."""
        ...

    def drop_blob(self, sha256: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def has_tree(self, sha256: str) -> bool:
        """Tell whether a tree is there."""
        ...

    def tree_path(self, tree: TreeRef) -> Path:
        """Return the folder of a tree, read only by convention.

        Raises:
            IntegrityError: it is not there.
        """
        ...

    def add_tree(self, folder: Path) -> TreeRef:
        """Move a folder into the store; file modes become 0755 or 0644. A tree that is there already stays."""
        ...

    def verify_tree(self, tree: TreeRef) -> None:
        """Read every file of a tree again.

        Raises:
            IntegrityError: it changed; the tree is set aside and the first changed file is named.
        """
        ...

    def result(self, key: str) -> StepResult | None:
        """Return a step's result if all its outputs are still there."""
        ...

    def put_result(self, result: StepResult) -> None:
        """Keep a step's result; written last and at once."""
        ...

    def work_dir(self, name: str, *, keep: bool = False) -> AbstractContextManager[Path]:
        """Give a work folder to one owner at a time (other processes wait).

        With ``keep`` the folder has a stable path for ``name``, holds what an interrupted run left, and is removed
        only by ``drop_work_dir``; without, it is empty and removed at the end.
        """
        ...

    def drop_work_dir(self, name: str) -> None:
        """Remove a kept work folder."""
        ...

    def log_path(self, name: str) -> Path:
        """Return where a log of that name is kept for people; its folder exists."""
        ...
