"""Where half-made things live until a rename shows them: one folder a process, swept when its process is gone."""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.system.claims import Claim, try_claim
from pipeline.system.disk import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MARKER = ".owner"


class Staging:
    """This process's part of ``<cache>/staging``.

    Each process has the folder ``<pid>-<random>`` beside a lock file of the same name, which the kernel frees with the
    process; so a process id that is used again, or a reboot, cannot make a leftover look alive.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._claim: Claim | None = None
        self._lock = threading.Lock()

    def sweep(self) -> int:
        """Remove what dead processes left; return how many there were. Running it again changes nothing."""
        removed = 0
        for name in {entry.name.removesuffix(_MARKER) for entry in self._root.iterdir()}:
            marker = self._root / (name + _MARKER)
            claim = try_claim(marker)
            if claim is None:
                continue
            try:
                # A new process makes its marker before its folder, and holds it by then.
                remove_tree(self._root / name)
                removed += 1
            finally:
                claim.release()
        return removed

    @contextmanager
    def place(self, suffix: str = "") -> Iterator[Path]:
        """Give a path that does not exist yet; whatever stands there at the end is removed."""
        path = self._folder() / (secrets.token_hex(8) + suffix)
        try:
            yield path
        finally:
            with suppress(FileNotFoundError):
                remove_tree(path)

    def close(self) -> None:
        """Remove this process's folder and give its name back."""
        if self._claim is not None:
            remove_tree(self._root / self._name)
            self._claim.release()
            self._claim = None

    def _folder(self) -> Path:
        folder = self._root / self._name
        with self._lock:
            while self._claim is None:  # somebody who sweeps may hold it for a moment
                self._claim = try_claim(folder.with_name(self._name + _MARKER))
            folder.mkdir(exist_ok=True)
        return folder
