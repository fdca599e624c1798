"""The content store: files and trees by digest, results of steps by key, and work folders, under one cache folder."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.model.result import StepResult
from pipeline.system.claims import claimed
from pipeline.system.disk import disk_errors, full_disk_errors
from pipeline.system.store_blobs import BlobStore
from pipeline.system.store_trees import TreeStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WORK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")


class FileStore(BlobStore, TreeStore):
    """A store on a local file system; implements ``ports.Store``.

    Files, trees and results need no lock: whoever is first wins and the second finds it there. Only a work folder has
    one owner at a time.
    """

    def __init__(self, cache_dir: Path, *, durable: bool = True) -> None:
        """As ``StoreLayout``."""
        super().__init__(cache_dir, durable=durable)
        self._held: set[str] = set()

    def close(self) -> None:
        """Remove this process's staging folder; the next start would do it too."""
        self.staging.close()

    def result(self, key: str) -> StepResult | None:
        """Return a step's result if all its outputs are still there; a damaged result counts as none."""
        try:
            result = StepResult.model_validate_json(self.result_path(key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        whole = (
            result.key == key
            and all(self.has_blob(blob.sha256) for blob in result.blobs.values())
            and all(self.has_tree(tree.sha256) for tree in result.trees.values())
        )
        return result if whole else None

    def put_result(self, result: StepResult) -> None:
        """Keep a step's result; written last and at once."""
        with disk_errors(self.cache_dir):
            self.write(self.result_path(result.key), result.model_dump_json().encode())

    @contextmanager
    def work_dir(self, name: str, *, keep: bool = False) -> Iterator[Path]:
        """Give a work folder to one owner at a time (other processes and threads wait).

        With ``keep`` the folder, whose path depends on ``name`` alone, holds what an interrupted run left, and is
        removed only by ``drop_work_dir``; without, it is empty, removed at the end, and swept when its owner died.

        Raises:
            NoSpaceError: the disk became full while its owner worked.
        """
        path = self._work_path(name)
        with claimed(self._lock_path(name), sleep=time.sleep, forget=False):
            if not keep:
                with self.staging.place() as path:
                    with disk_errors(path):
                        path.mkdir()
                    with full_disk_errors(self.cache_dir):
                        yield path
                return
            self._held.add(name)
            try:
                with disk_errors(path):
                    path.mkdir(exist_ok=True)
                with full_disk_errors(self.cache_dir):
                    yield path
            finally:
                self._held.discard(name)

    def drop_work_dir(self, name: str) -> None:
        """Remove a kept work folder: at once where this process owns it, else after waiting for its owner."""
        path = self._work_path(name)
        if name in self._held:
            self.remove(path)
            return
        with claimed(self._lock_path(name), sleep=time.sleep, forget=False):
            self.remove(path)

    def log_path(self, name: str) -> Path:
        """Return where a log of that name is kept for people; its folder exists."""
        safe = re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.")[:120] or "log"
        return self.cache_dir / "logs" / f"{safe}.log"

    def _work_path(self, name: str) -> Path:
        if not _WORK_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a work folder")
        return self.cache_dir / "work" / name

    def _lock_path(self, name: str) -> Path:
        return self.cache_dir / "locks" / f"work-{name}.lock"
