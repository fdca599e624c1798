"""A Python package index, as pip is configured on this machine.

No index host stands in this project: environment and pip's configuration say which one it is, and pip itself says what
its default is.
"""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from pipeline.errors import HostError, IntegrityError, NothingSelectedError, PipelineError
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.ports import CommandRunner, Downloader

_PAGE_LIMIT_BYTES = 64 << 20
_PIP_SECONDS = 60.0
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
    """Looks files up on the configured indexes in order; implements ``ports.PackageIndex``.

    Args:
        downloader: for the index pages.
        commands: to ask pip with.
        environment: PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, UV_INDEX_URL, UV_DEFAULT_INDEX win over pip's files.
    """

    def __init__(self, downloader: Downloader, commands: CommandRunner, environment: Mapping[str, str]) -> None:
        self._downloader = downloader
        self._commands = commands
        self._environment = environment
        self._indexes: tuple[str, ...] | None = None
        self._pages: dict[str, dict[str, str]] = {}

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        """Return where a file of a project can be had.

        Raises:
            NetworkError, OfflineError: no configured index answered.
            IntegrityError: the index answered with something that is no index page.
            NothingSelectedError: no configured index has that file.
        """
        failure: PipelineError | None = None
        answered = False
        for index in self._configured():
            try:
                links = self._links(index, package)
            except PipelineError as error:
                failure = failure or error
                continue
            answered = True
            if filename in links:
                return (links[filename],)
        if failure and not answered:
            raise failure
        raise NothingSelectedError(
            f"no configured package index has {filename}",
            hint="check the index configuration of pip (`pip config list`) and the pin in the recipe",
        )

    def _configured(self) -> tuple[str, ...]:
        if self._indexes is None:
            named = [self._environment.get(name, "") for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")]
            primary = next((url for url in named if url), None)
            extra = self._environment.get("PIP_EXTRA_INDEX_URL", "").split()
            if primary is None:
                asked = self._ask_pip()
                primary = asked.get("global.index-url") or asked.get("install.index-url") or asked["default"]
                extra = extra or asked.get("global.extra-index-url", "").split()
            self._indexes = (primary, *extra)
        return self._indexes

    def _ask_pip(self) -> dict[str, str]:
        command = Command(
            (sys.executable, "-c", _ASK_PIP), cwd=Path("/"), env=self._environment, timeout_seconds=_PIP_SECONDS
        )
        outcome = self._commands.run(command)
        try:
            found = json.loads(outcome.tail[-1])
        except (ValueError, IndexError) as error:
            raise HostError(
                "pip does not say which package index it uses", hint="set PIP_INDEX_URL, or install pip beside Python"
            ) from error
        return {str(key): str(value) for key, value in found.items()}

    def _links(self, index: str, package: str) -> dict[str, str]:
        """Return file name to url of a project's page; empty when the index does not have the project."""
        name = re.sub(r"[-_.]+", "-", package).lower()  # PEP 503
        url = f"{index.rstrip('/')}/{name}/"
        if url not in self._pages:
            page = self._read(url)
            self._pages[url] = {} if page is None else dict(_parse(page, url))
        return self._pages[url]

    def _read(self, url: str) -> bytes | None:
        if url.startswith("file:"):
            return self._downloader.read_small(f"{url}index.html", limit_bytes=_PAGE_LIMIT_BYTES)
        return self._downloader.read_small(url, limit_bytes=_PAGE_LIMIT_BYTES)


def _parse(page: bytes, url: str) -> Iterator[tuple[str, str]]:
    """Read a page in either form that the simple repository API has: JSON (PEP 691) or HTML (PEP 503)."""
    if page.lstrip()[:1] == b"{":
        try:
            files = json.loads(page)["files"]
            yield from ((str(file["filename"]), urljoin(url, str(file["url"]))) for file in files)
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{url} is no package index page", hint="check the index configuration") from error
        return
    links = _Links()
    links.feed(page.decode("utf-8", errors="replace"))
    for href in links.found:
        parts = urlsplit(urljoin(url, href))
        target = urlunsplit((*parts[:4], ""))  # without the #sha256= fragment; the pin says the digest
        yield unquote(parts.path.rsplit("/", 1)[-1]), target


class _Links(HTMLParser):
    """Collects the targets of links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]
