"""Python package indexes, as pip and uv are configured on this machine; see ``index_settings``."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from pipeline.errors import NothingSelectedError, PipelineError
from pipeline.events import Notice
from pipeline.system.index_pages import links_of
from pipeline.system.index_settings import IndexSettings
from pipeline.system.index_variables import without_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.events import EventSink
    from pipeline.ports import CommandRunner
    from pipeline.system.downloads import HttpDownloader
    from pipeline.system.index_pages import Link

_PAGE_LIMIT_BYTES = 32 << 20
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"  # PEP 691
_REASON_LENGTH = 300


class ConfiguredIndex:
    """Looks files up on the configured indexes in order; implements ``ports.PackageIndex``."""

    def __init__(
        self, downloader: HttpDownloader, commands: CommandRunner, environment: Mapping[str, str], events: EventSink
    ) -> None:
        """Make an index; nothing is asked before a file is looked up.

        Args:
            downloader: whose documents the index pages are.
            commands: to ask pip with.
            environment: says which indexes there are, and where uv's and pip's files are.
            events: take a warning for each file that its index marks as yanked.
        """
        self._documents = downloader.documents
        self._settings = IndexSettings(environment, commands)
        self._events = events
        self._pages: dict[str, dict[str, Link]] = {}
        self._warned: set[str] = set()
        self._lock = threading.Lock()

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        """Return where a file of a project can be had; that it was yanked is a warning, since it is pinned (PEP 592).

        Raises:
            NetworkError, OfflineError: an index did not answer, and no other one has the file.
            IntegrityError: likewise, with something that is no index page.
            NothingSelectedError: all configured indexes answered, and none has that file.
            UsageError: a file of uv's cannot be read.
            HostError: there is no pip to say which index is the default one, or it does not answer.
        """
        with self._lock:  # files are looked up by several threads; a page is asked for once
            return self._found(package, filename)

    def files_of(self, index: str, package: str) -> dict[str, str]:
        """Return file name to url of a project's files on one index, yanked ones left out.

        Raises:
            NetworkError, OfflineError, IntegrityError: it did not answer, or with something that is no index page.
            NothingSelectedError: it does not have the project.
        """
        with self._lock:
            links = self._links(index, package)
        if not links:
            raise NothingSelectedError(
                f"{without_name(index)} has no files of {package}", hint="the page of a project is INDEX/PROJECT/"
            )
        return {name: link.url for name, link in links.items() if link.yanked is None}

    def _found(self, package: str, filename: str) -> tuple[str, ...]:
        failure: PipelineError | None = None
        for index in self._configured():
            try:
                links = self._links(index, package)
            except PipelineError as error:
                failure = failure or error
                continue
            if filename in links:
                self._warn(filename, links[filename])
                return (links[filename].url,)
        if failure is not None:
            raise failure
        raise NothingSelectedError(
            f"no configured package index has {filename}",
            hint="check the index configuration of pip (`pip config list`) and the pin in the recipe",
        )

    def _warn(self, filename: str, link: Link) -> None:
        if link.yanked is None or filename in self._warned:
            return
        self._warned.add(filename)
        reason = " ".join(link.yanked.split())[:_REASON_LENGTH] or "no reason is given"
        self._events.emit(Notice(f"{filename} was yanked from the package index: {reason}", "warning"))

    def _configured(self) -> Iterator[str]:
        for words in (self._settings.first, self._settings.default, self._settings.extra):
            yield from map(without_name, words())

    def _links(self, index: str, package: str) -> dict[str, Link]:
        """Return file name to link of a project's page; empty when the index does not have the project."""
        name = re.sub(r"[-_.]+", "-", package).lower()  # PEP 503
        url = f"{index.rstrip('/')}/{name}/"
        if url not in self._pages:
            place = f"{url}index.html" if url.startswith("file:") else url
            page = self._documents.get(place, limit_bytes=_PAGE_LIMIT_BYTES, accept=_ACCEPT)
            self._pages[url] = {} if page is None else links_of(page)
        return self._pages[url]
