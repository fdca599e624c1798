"""The digest of a file that is still being written: a thread reads its beginning back as it fills up.

So the whole file has been read back and hashed soon after its last byte came. hashlib and reading let other threads
run.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES
from pipeline.system.disk import sync_path

if TYPE_CHECKING:
    from pathlib import Path

_WORTH_A_THREAD_BYTES = 4 << 20
_WORTH_A_SYNC_BYTES = 64 << 20


class EarlySync:
    """Brings what is written to the disk while more comes, so that little is left for the sync at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._synced = 0
        self._running = False

    def advance(self, written_bytes: int) -> None:
        """Begin to sync when it is worth it and none is under way; called by one thread at a time."""
        if written_bytes - self._synced >= _WORTH_A_SYNC_BYTES and not self._running:
            self._running, self._synced = True, written_bytes
            threading.Thread(target=self._run, name="early-sync", daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):  # the sync that counts says what is wrong
            sync_path(self._path)
        self._running = False


class PrefixDigest:
    """Hashes the bytes of ``path`` up to where they are final."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._final = 0
        self._ended = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._sync = EarlySync(path)

    def advance(self, final_bytes: int) -> None:
        """Say that the first ``final_bytes`` bytes are written and will not be written again."""
        with self._changed:
            self._final = max(self._final, final_bytes)
            self._sync.advance(self._final)
            if self._thread is None and self._final >= _WORTH_A_THREAD_BYTES:
                self._thread = threading.Thread(target=self._follow, name="prefix-digest", daemon=True)
                self._thread.start()
            self._changed.notify()

    def finish(self) -> tuple[str, int]:
        """Return (sha256, size in bytes) of the whole file, read to its end."""
        self._end()
        if self._error is not None:
            raise self._error
        with self._path.open("rb", buffering=0) as stream:
            stream.seek(self._hashed)
            while chunk := stream.read(CHUNK_BYTES):
                self._digest.update(chunk)
                self._hashed += len(chunk)
        return self._digest.hexdigest(), self._hashed

    def abandon(self) -> None:
        """End without a digest."""
        with self._changed:
            self._final = 0
        self._end()

    def _end(self) -> None:
        """Let the thread hash what is final, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _follow(self) -> None:
        try:
            buffer = memoryview(bytearray(CHUNK_BYTES))
            with self._path.open("rb", buffering=0) as stream:
                stream.seek(self._hashed)
                while (count := self._wait()) and (count := stream.readinto(buffer[:count])):
                    self._digest.update(buffer[:count])
                    self._hashed += count
        except Exception as error:  # noqa: BLE001  # raised again where the digest is asked for
            self._error = error

    def _wait(self) -> int:
        """Return how many bytes may be hashed now, 0 at the end."""
        with self._changed:
            while self._final == self._hashed and not self._ended:
                self._changed.wait()
            return max(0, min(self._final - self._hashed, CHUNK_BYTES))
