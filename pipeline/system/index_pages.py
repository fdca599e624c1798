"""Pages of the simple repository API: JSON (PEP 691) or HTML (PEP 503), as values; yanked files too (PEP 592)."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from pipeline.errors import IntegrityError
from pipeline.system.transfer_faults import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.system.small_documents import Document


class Link(NamedTuple):
    """A file on a page.

    Attributes:
        url: absolute, without a fragment.
        yanked: why it was yanked, empty where no reason is given; None for a file that is not.
    """

    url: str
    yanked: str | None = None


def links_of(page: Document) -> dict[str, Link]:
    """Return file name to link of a project's page; the first of two files with one name counts.

    Digests that the page says are left out: what bytes a file must have is pinned, whatever an index says today.

    Raises:
        IntegrityError: it is no index page.
    """
    try:
        if page.media_type.endswith("+json") or page.body.lstrip()[:1] == b"{":
            pairs = _of_json(page)
        else:
            pairs = _of_html(page)
        found: dict[str, Link] = {}
        for name, link in pairs:
            found.setdefault(name, link)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            f"{shown(page.url)} is no package index page", hint="check the index configuration of pip"
        ) from error
    return found


def _of_json(page: Document) -> Iterable[tuple[str, Link]]:
    for file in json.loads(page.body)["files"]:
        target = _target(page.url, _text(file["url"]))
        yield _text(file["filename"]), Link(target, _reason(file.get("yanked")))


def _reason(yanked: object) -> str | None:
    """Return the reason of a value that is false, true, or a text that is not empty (PEP 691)."""
    if not yanked:
        return None
    return "" if yanked is True else _text(yanked)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _of_html(page: Document) -> Iterator[tuple[str, Link]]:
    links = _Links()
    links.feed(page.body.decode("utf-8"))
    if not links.is_page:
        raise ValueError("no HTML")
    for href, yanked in links.found:
        target = _target(urljoin(page.url, links.base), href)
        yield unquote(urlsplit(target).path.rsplit("/", 1)[-1]), Link(target, yanked)


def _target(base: str, href: str) -> str:
    """Return an absolute url without its fragment, where a page keeps a digest."""
    parts = urlsplit(urljoin(base, href))
    return urlunsplit((*parts[:4], ""))


class _Links(HTMLParser):
    """Collects the targets of links.

    Attributes:
        base: of relative targets, as the page says it; empty when it does not.
        found: targets in order, each with the reason why it was yanked (None: it was not).
        is_page: whether there was any element at all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.found: list[tuple[str, str | None]] = []
        self.is_page = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_page = True
        href = next((value for name, value in attrs if name == "href" and value), None)
        if href and tag == "a":
            # The attribute alone says that it was yanked, with or without a value.
            self.found.append((href, next((value or "" for name, value in attrs if name == "data-yanked"), None)))
        elif href and tag == "base" and not self.base:
            self.base = href
