"""Reads a forge's listing of releases: what is used is checked, what is not is not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.asset_names.classify import build_number
from pipeline.errors import IntegrityError
from pipeline.model.frozen import Name
from pipeline.model.release_listing import AssetName, ListedAsset, ListedRelease
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.ports import ReleaseApi

PAGE_SIZE = 100  # GitHub's largest
MAX_PAGES = 10
_LIMIT_BYTES = 32 << 20
_MOST_ASSETS = 1000  # GitHub's own limit of a release
_DIGEST = "sha256:"
_HINT = "the API's address may be wrong (ENGINE_PIPELINE_GITHUB_API), or something between changes what it says"


class _FileNameError(IntegrityError):
    """A release has a file with a name that no file can have."""


class _Row(BaseModel):
    """An object of the API; it has many more fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _AssetRow(_Row):
    name: str
    state: str = "uploaded"
    size: int
    digest: str | None = None
    browser_download_url: str


class _ReleaseRow(_Row):
    tag_name: str
    draft: bool = False
    created_at: str | None = None
    published_at: str | None = None
    assets: Annotated[tuple[_AssetRow, ...], Field(max_length=_MOST_ASSETS, strict=False)]


_PAGE = TypeAdapter(Annotated[tuple[_ReleaseRow, ...], Field(max_length=PAGE_SIZE, strict=False)])
_TAG: TypeAdapter[str] = TypeAdapter(Name)
_FILE_NAME: TypeAdapter[str] = TypeAdapter(AssetName)
_SHOWN = 60


class Page(NamedTuple):
    """One page of a listing.

    Attributes:
        releases: in its order.
        unreadable: tag of a release that has a file name that none can have, to the reason; nothing of it is used.
    """

    releases: tuple[ListedRelease, ...]
    unreadable: Mapping[str, str]


def read_page(data: bytes, *, what: str) -> Page:
    """Return the releases of one page of a listing; drafts and tags that are no name are left out.

    Raises:
        IntegrityError: it is no clean JSON, or a field that is used is not of its type or range.
    """
    releases: list[ListedRelease] = []
    unreadable: dict[str, str] = {}
    for row in _validated(_PAGE, data, what):
        try:
            release = _release(row, what)
        except _FileNameError as error:
            unreadable[row.tag_name] = error.message
            continue
        if release is not None:
            releases.append(release)
    return Page(tuple(releases), unreadable)


def read_release(data: bytes, *, what: str) -> ListedRelease:
    """Return the one release of a document; otherwise as ``read_page``."""
    release = _release(_validated(TypeAdapter(_ReleaseRow), data, what), what)
    if release is None:
        raise IntegrityError(f"{what} is a draft, or has a tag that is no name", hint=_HINT)
    return release


class ReleaseList:
    """The releases of a repository, read page by page as far as somebody wants to know.

    Attributes:
        checked_at: seconds since 1970 when the oldest page read was last known to be current; None before the first.
        unreadable: releases that were passed over, as of ``Page``.
        recorded: whether the pages are a recorded listing, which holds a part of the releases.
        cached: whether a page came from the cache because the network is forbidden.
    """

    def __init__(self, api: ReleaseApi, repository: str, *, recorded: bool = False) -> None:
        """Read nothing yet."""
        self.recorded = recorded
        self.unreadable: dict[str, str] = {}
        self._api = api
        self._repository = repository
        self._next: str | None = f"/repos/{repository}/releases?per_page={PAGE_SIZE}"
        self._read: list[ListedRelease] = []
        self._pages = 0
        self.checked_at: int | None = None
        self.cached = False

    @property
    def known(self) -> tuple[ListedRelease, ...]:
        """Every release read so far once, the newest build first, then the others."""
        once = {release.tag: release for release in reversed(self._read)}  # pages shift when a release comes between
        return tuple(sorted(once.values(), key=lambda release: build_number(release.tag) or 0, reverse=True))

    @property
    def builds(self) -> tuple[ListedRelease, ...]:
        """Those of them that are builds ``b<N>``, the newest first."""
        return tuple(release for release in self.known if build_number(release.tag) is not None)

    def read_more(self) -> bool:
        """Read one more page; return whether there was one. At most ``MAX_PAGES`` are read.

        Raises:
            NetworkError: the API did not answer; or there is no such repository.
            OfflineError: the network is forbidden and the first page is not in the cache.
            IntegrityError: the answer is no listing.
        """
        if self._next is None or self._pages >= MAX_PAGES:
            return False
        what = f"page {self._pages + 1} of the releases of {self._repository}"
        document = self._api.get(self._next)
        if document is None:
            raise IntegrityError(f"the API knows no repository {self._repository}", hint=_HINT)
        self._note(document.checked_at, cached=document.cached)
        page = read_page(document.body, what=what)
        self._read += page.releases
        self.unreadable.update(page.unreadable)
        self._next = document.next_url
        self._pages += 1
        return True

    def find(self, tag: str) -> ListedRelease | None:
        """Return the release of a tag, from the first page or asked for by its name; None when there is none.

        Raises:
            NetworkError, OfflineError: from the API.
            IntegrityError: the answer is no listing, or that release was passed over in it.
        """
        if self._pages == 0:
            self.read_more()
        for release in self._read:
            if release.tag == tag:
                return release
        if tag in self.unreadable:
            raise IntegrityError(self.unreadable[tag], hint=_HINT)
        document = self._api.get(f"/repos/{self._repository}/releases/tags/{_TAG.validate_python(tag)}")
        if document is None:
            return None
        self._note(document.checked_at, cached=document.cached)
        release = read_release(document.body, what=f"the release {tag} of {self._repository}")
        if release.tag != tag:
            raise IntegrityError(f"the API answered with {release.tag} when asked for {tag}", hint=_HINT)
        self._read.append(release)
        return release

    def reaches(self, tag: str) -> bool:
        """Tell whether a release that was not found is not there; a recorded listing may end before it."""
        if not self.recorded:
            return True
        numbers = [build_number(release.tag) or 0 for release in self.builds]
        number = build_number(tag)
        return number is not None and bool(numbers) and min(numbers) <= number <= max(numbers)

    def all_pages(self) -> Iterator[None]:
        """Read page after page; stop asking when you know enough."""
        if self._pages:
            yield
        while self.read_more():
            yield

    def _note(self, checked_at: int, *, cached: bool) -> None:
        self.checked_at = checked_at if self.checked_at is None else min(self.checked_at, checked_at)
        self.cached = self.cached or cached


def _validated(adapter: TypeAdapter[Any], data: bytes, what: str) -> Any:  # noqa: ANN401 - of the adapter's type
    value = parse_json(data, what=what, limit_bytes=_LIMIT_BYTES, any_text=True)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise _malformed(what, error) from error


def _release(row: _ReleaseRow, what: str) -> ListedRelease | None:
    try:
        _TAG.validate_python(row.tag_name)
    except ValidationError:
        return None
    if row.draft:
        return None
    for asset in row.assets:
        try:
            _FILE_NAME.validate_python(asset.name)
        except ValidationError as error:
            text = f"{what}: {row.tag_name} has a file of the name {asset.name[:_SHOWN]!r}"
            raise _FileNameError(
                f"{text}{'...' if len(asset.name) > _SHOWN else ''}, which no file can have", hint=_HINT
            ) from error
    try:
        there = [asset for asset in row.assets if asset.state == "uploaded"]
        return ListedRelease(
            tag=row.tag_name,
            published_at=row.published_at or row.created_at or "",
            assets=tuple(_asset(asset, f"{what}: {row.tag_name}") for asset in there),
            coming=len(row.assets) - len(there),
        )
    except ValidationError as error:
        raise _malformed(f"{what}: {row.tag_name}", error) from error


def _asset(row: _AssetRow, what: str) -> ListedAsset:
    # Another algorithm's digest is one that cannot be compared with a pin: none.
    digest = row.digest if row.digest and row.digest.startswith(_DIGEST) else None
    try:
        return ListedAsset(
            name=row.name,
            url=row.browser_download_url,
            size_bytes=row.size,
            sha256=digest.removeprefix(_DIGEST) if digest else None,
        )
    except ValidationError as error:
        raise _malformed(f"{what}, file {row.name[:100]!r}", error) from error


def _malformed(what: str, error: ValidationError) -> IntegrityError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "document"
    return IntegrityError(f"{what} is no listing of releases: {where}: {first['msg']}", hint=_HINT)
