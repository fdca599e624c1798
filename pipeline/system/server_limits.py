"""How many connections each server bears; learnt once, for all files of a downloader."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable


class ServerLimits:
    """Counts connections by server; a server that refused some is asked for fewer from then on."""

    def __init__(self, connections: int) -> None:
        """Allow that many to each server."""
        self._connections = connections
        self._lowered: dict[Hashable, int] = {}
        self._open: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    def enter(self, server: Hashable, *, extra: bool) -> bool:
        """Count a connection; an ``extra`` one only where there is room. Tell whether it was counted."""
        with self._lock:
            if extra and self._open[server] >= self._lowered.get(server, self._connections):
                return False
            self._open[server] += 1
            return True

    def leave(self, server: Hashable) -> None:
        """Count one connection less."""
        with self._lock:
            self._open[server] -= 1

    def refused(self, server: Hashable, *, alone: bool = False) -> None:
        """Note that a server refused one of its connections, or (``alone``) that it bears one only."""
        with self._lock:
            self._lowered[server] = 1 if alone else max(1, self._open[server] - 1)
