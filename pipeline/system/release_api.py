"""A forge's API: conditional requests over a cache, and a token that only the API itself gets."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.digest import sha256_bytes
from pipeline.errors import NetworkError, OfflineError, UsageError
from pipeline.ports import ApiDocument
from pipeline.system.http_client import is_loopback, origin_of
from pipeline.system.transfer_faults import shown

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ports import Clock, Disk
    from pipeline.system.small_documents import SmallDocuments

LIMIT_BYTES = 32 << 20  # a page of 100 releases with 40 assets each is about 8 MB
_ACCEPT = "application/vnd.github+json"
_VERSION = "2022-11-28"  # X-GitHub-Api-Version
_LINK_NEXT = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?')  # RFC 8288


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the cache knows of a document beside its body."""

    url: str
    etag: str
    next_url: str | None
    checked_at: int


class CachedReleaseApi:
    """Asks a forge's API; implements ``ports.ReleaseApi``.

    A document whose entity tag did not change is answered with 304, which does not count against GitHub's rate limit.
    """

    def __init__(
        self,
        documents: SmallDocuments,
        disk: Disk,
        clock: Clock,
        *,
        api: str,
        token: str | None,
        cache_dir: Path,
        offline: bool,
    ) -> None:
        """Make a client; nothing is asked yet.

        Args:
            documents: to ask with.
            disk: to keep answers with.
            clock: for their age.
            api: address, for example ``https://api.github.com``.
            token: sent to the origin of ``api`` alone, and never without TLS; None asks anonymously.
            cache_dir: folder of kept answers.
            offline: whether only kept answers are used.

        Raises:
            UsageError: ``api`` is no address.
        """
        if not re.fullmatch(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?", api):
            raise UsageError(
                f"{shown(api)!r} is no address of an API",
                hint="for example ENGINE_PIPELINE_GITHUB_API=https://api.github.com",
            )
        self._documents = documents
        self._disk = disk
        self._clock = clock
        self._api = api.rstrip("/")
        self._token = token if _may_carry_token(api) else None
        self._cache_dir = cache_dir
        self._offline = offline

    def get(self, path: str) -> ApiDocument | None:
        """Return a document of the API, from the cache when the server says that it is fresh."""
        url = f"{self._api}{path}" if path.startswith("/") else path
        if not url.startswith(f"{self._api}/") or origin_of(url) != origin_of(self._api):
            raise NetworkError(f"the API names {shown(url)} as its next page, which is not its own")
        kept = self._kept(url)
        if self._offline:
            if kept is None:
                raise OfflineError(
                    f"{shown(url)} was never read here, and the network is forbidden", hint="run once without --offline"
                )
            return ApiDocument(kept[1], kept[0].next_url, kept[0].checked_at, cached=True)
        answer = self._documents.get(url, limit_bytes=LIMIT_BYTES, accept=_ACCEPT, headers=self._headers(kept))
        if answer is None:
            return None
        now = self._clock.now_seconds()
        if answer.not_modified and kept is not None:
            fresh, body = _Kept(url, kept[0].etag, kept[0].next_url, now), kept[1]
        else:
            match = _LINK_NEXT.search(answer.headers.get("link", ""))
            fresh = _Kept(url, answer.headers.get("etag", ""), match[1] if match else None, now)
            body = answer.body
        self._keep(fresh, body)
        return ApiDocument(body, fresh.next_url, now, cached=False)

    def _headers(self, kept: tuple[_Kept, bytes] | None) -> dict[str, str]:
        headers = {"X-GitHub-Api-Version": _VERSION}
        if kept is not None and kept[0].etag:
            headers["If-None-Match"] = kept[0].etag
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _kept(self, url: str) -> tuple[_Kept, bytes] | None:
        """Return what is in the cache; anything that is not as it was written counts as nothing."""
        try:
            head, _, rest = self._path(url).read_bytes().partition(b"\n")
            digest, _, body = rest.partition(b"\n")
            kept = _Kept(**json.loads(head))
        except (OSError, ValueError, TypeError):
            return None
        whole = digest.decode("ascii", "replace") == sha256_bytes(body) and kept.url == url
        return (kept, body) if whole and isinstance(kept.checked_at, int) else None

    def _keep(self, kept: _Kept, body: bytes) -> None:
        self._disk.make_dirs(self._cache_dir)
        head = json.dumps(asdict(kept)).encode()
        data = b"\n".join((head, sha256_bytes(body).encode(), body))
        self._disk.replace_file(self._path(kept.url), data, staging_dir=self._cache_dir)

    def _path(self, url: str) -> Path:
        # One for whoever has a token, one for everybody else: the two may see different releases.
        who = "token" if self._token else "anonymous"
        return self._cache_dir / f"{sha256_bytes(url.encode())[:32]}-{who}"


def _may_carry_token(api: str) -> bool:
    parts = urlsplit(api)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")
