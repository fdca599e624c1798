"""The configured package index, made when it is first asked."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.events import EventSink
    from pipeline.ports import CommandRunner
    from pipeline.system.downloads import HttpDownloader
    from pipeline.system.package_index import ConfiguredIndex


class LaterIndex:
    """The configured package index; most commands never ask it, and do not pay for its imports."""

    def __init__(self, downloader: HttpDownloader, commands: CommandRunner, events: EventSink) -> None:
        self._downloader = downloader
        self._commands = commands
        self._events = events
        self._index: ConfiguredIndex | None = None
        self._lock = threading.Lock()

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        """Return where a file of a project can be had; see ``ports.PackageIndex``."""
        return self._made().urls_of(package, filename)

    def files_of(self, index: str, package: str) -> Mapping[str, str]:
        """Return what one index has of a project; see ``ports.PackageIndex``."""
        return self._made().files_of(index, package)

    def _made(self) -> ConfiguredIndex:
        from pipeline.system.package_index import ConfiguredIndex

        with self._lock:  # one for all files: it asks pip and each page once
            if self._index is None:
                self._index = ConfiguredIndex(self._downloader, self._commands, os.environ, self._events)
        return self._index
