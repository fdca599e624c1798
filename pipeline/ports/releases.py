"""A forge's API about releases: GitHub's, or what speaks like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ApiDocument:
    """One JSON document of the API.

    Attributes:
        body: its bytes.
        next_url: of the page after it; None for the last one.
        checked_at: seconds since 1970 when the server last said that this is how it is.
        cached: whether it was not asked now, because the network is forbidden.
    """

    body: bytes
    next_url: str | None
    checked_at: int
    cached: bool


class RemoteHasher(Protocol):
    """Reads files whose digest nobody has said yet."""

    def sha256_of(self, url: str, *, size_bytes: int) -> str:
        """Return the sha256 of what is at a url, in lower-case hex; nothing is kept.

        Raises:
            OfflineError: the network is forbidden.
            NetworkError: the server did not answer.
            IntegrityError: it has another size.
        """
        ...

    def measure(self, url: str, *, limit_bytes: int) -> tuple[str, int]:
        """Return the sha256 and the size of what is at a url, whose size nobody has said either.

        Raises:
            OfflineError, NetworkError: as above; also where less came than the server had said.
            IntegrityError: it is longer than ``limit_bytes``.
        """
        ...


class ReleaseApi(Protocol):
    """Documents of a forge's API, kept so that one that did not change costs nothing."""

    def get(self, path: str) -> ApiDocument | None:
        """Return a document, None when there is none (404).

        Args:
            path: below the API's address, beginning with ``/``; or a ``next_url`` of the same API.

        Raises:
            OfflineError: the network is forbidden, and it is not in the cache.
            NetworkError: the API did not answer, refused, or limits its rate.
            IntegrityError: the document is too long.
        """
        ...
