"""A Python package index, as pip is configured on this machine.

No index host stands in this project: environment and pip's configuration say which one it is, and pip itself says what
its default is.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError, NothingSelectedError, PipelineError
from pipeline.events import Notice
from pipeline.ports import Command
from pipeline.system.index_pages import links_of
from pipeline.system.index_variables import EXTRA_INDEXES, FIRST_INDEXES, PRIMARY_INDEXES, index_urls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.events import EventSink
    from pipeline.ports import CommandRunner
    from pipeline.system.downloads import HttpDownloader
    from pipeline.system.index_pages import Link

_PAGE_LIMIT_BYTES = 32 << 20
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"  # PEP 691
_PIP_SECONDS = 60.0
_REASON_LENGTH = 300
# What pip finds its files and its Python by, and what it is told itself: not tokens of other programs.
_FOR_PIP = (
    "PIP_", "PYTHON", "PATH", "HOME", "XDG_CONFIG_", "APPDATA", "PROGRAMDATA", "USERPROFILE", "SYSTEMROOT",
    "VIRTUAL_ENV", "LANG", "LC_",
)  # fmt: skip
_ASK_PIP = """
import json
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
settings = Configuration(isolated=False)
settings.load()
found = dict(settings.items())
# From pip 25 on, items are grouped by file.
flat = {k: v for key, value in found.items() for k, v in (value.items() if isinstance(value, dict) else [(key, value)])}
print(json.dumps({"default": PyPI.simple_url, **{k: v for k, v in flat.items() if k.endswith("index-url")}}))
"""


class ConfiguredIndex:
    """Looks files up on the configured indexes in order; implements ``ports.PackageIndex``."""

    def __init__(
        self, downloader: HttpDownloader, commands: CommandRunner, environment: Mapping[str, str], events: EventSink
    ) -> None:
        """Make an index; nothing is asked before a file is looked up.

        Args:
            downloader: whose documents the index pages are.
            commands: to ask pip with.
            environment: UV_INDEX comes first; then the first that is set of PIP_INDEX_URL, UV_DEFAULT_INDEX and
                UV_INDEX_URL, and of PIP_EXTRA_INDEX_URL and UV_EXTRA_INDEX_URL, each before pip's files; uv.toml is
                not read. pip runs with what it reads of it.
            events: take a warning for each file that its index marks as yanked.
        """
        self._documents = downloader.documents
        self._commands = commands
        self._environment = environment
        self._events = events
        self._asked: dict[str, str] | None = None
        self._pages: dict[str, dict[str, Link]] = {}
        self._warned: set[str] = set()
        self._lock = threading.Lock()

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        """Return where a file of a project can be had; that it was yanked is a warning, since it is pinned (PEP 592).

        Raises:
            NetworkError, OfflineError: an index did not answer, and no other one has the file.
            IntegrityError: likewise, with something that is no index page.
            NothingSelectedError: all configured indexes answered, and none has that file.
            HostError: there is no pip to say which index is meant.
        """
        with self._lock:  # files are looked up by several threads; a page is asked for once
            return self._found(package, filename)

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
        """Yield index urls; pip is asked (half a second) only when the environment does not say it all."""
        yield from self._named(*FIRST_INDEXES)
        primary = self._named(*PRIMARY_INDEXES)
        extra = self._named(*EXTRA_INDEXES)
        yield from primary or self._ask_pip("global.index-url", "install.index-url", "default")
        yield from extra or self._ask_pip("global.extra-index-url", "install.extra-index-url")

    def _named(self, *variables: str) -> list[str]:
        return next((urls for name in variables if (urls := index_urls(self._environment, name))), [])

    def _ask_pip(self, *settings: str) -> list[str]:
        if self._asked is None:
            argv = (sys.executable, "-c", _ASK_PIP)
            env = {name: value for name, value in self._environment.items() if name.startswith(_FOR_PIP)}
            command = Command(argv, cwd=Path("/"), env=env, timeout_seconds=_PIP_SECONDS)
            outcome = self._commands.run(command)
            try:
                self._asked = {str(key): str(value) for key, value in json.loads(outcome.tail[-1]).items()}
            except (ValueError, IndexError, AttributeError) as error:
                raise HostError(
                    f"pip does not say which package index it uses (it ended with {outcome.exit_code}): "
                    f"{outcome.tail[-1] if outcome.tail else 'it said nothing'}",
                    hint="set PIP_INDEX_URL and PIP_EXTRA_INDEX_URL, or install pip beside Python",
                ) from error
        return next((urls for name in settings if (urls := self._asked.get(name, "").split())), [])

    def _links(self, index: str, package: str) -> dict[str, Link]:
        """Return file name to link of a project's page; empty when the index does not have the project."""
        name = re.sub(r"[-_.]+", "-", package).lower()  # PEP 503
        url = f"{index.rstrip('/')}/{name}/"
        if url not in self._pages:
            place = f"{url}index.html" if url.startswith("file:") else url
            page = self._documents.get(place, limit_bytes=_PAGE_LIMIT_BYTES, accept=_ACCEPT)
            self._pages[url] = {} if page is None else links_of(page)
        return self._pages[url]
