"""Small documents, wholly in memory: index pages, release lists, signed metadata."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import IntegrityError, NetworkError, OfflineError
from pipeline.system.download_places import Place
from pipeline.system.rate_limits import api_limit
from pipeline.system.transfer_faults import TransferFault, fault_of_status, shown
from pipeline.system.transfer_policy import SpeedWatch, TransferPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ports import Clock
    from pipeline.system.http_client import HttpClient

_WORTH_WAITING_SECONDS = 10.0  # for a rate limit; whoever waits longer wants to know that they do


class Document(NamedTuple):
    """A document.

    Attributes:
        body: its bytes.
        media_type: that the server says, lower case, without parameters; empty for a file.
        url: from which it came, after redirects; links in it are relative to this.
        headers: of the answer, names in lower case; none for a file.
        not_modified: whether the server says that the caller's own copy (If-None-Match) is as good; no body then.
    """

    body: bytes
    media_type: str
    url: str
    headers: Mapping[str, str] = {}
    not_modified: bool = False


class _TooLong(Exception):  # noqa: N818  # carries nothing and never leaves this module
    """The document is longer than it may be."""


class SmallDocuments:
    """Reads small documents, with the patience of a transfer."""

    def __init__(self, client: HttpClient, *, offline: bool, clock: Clock, policy: TransferPolicy) -> None:
        """Read through ``client``, or only files when ``offline``."""
        self._client = client
        self._offline = offline
        self._clock = clock
        self._policy = policy

    def get(
        self, url: str, *, limit_bytes: int, accept: str = "*/*", headers: Mapping[str, str] | None = None
    ) -> Document | None:
        """Return a document, None when there is none (404, 410, no such file).

        Args:
            url: of the document.
            limit_bytes: that it may have.
            accept: media types that are wanted.
            headers: more of them; with If-None-Match the answer may be that nothing changed.

        Raises:
            OfflineError: the url is not a file's and the network is forbidden.
            NetworkError: the server did not answer, or refused.
            RateLimitError: it limits how often it is asked, for longer than is worth waiting.
            IntegrityError: it is longer than ``limit_bytes``.
        """
        place = Place(url=url, is_mirror=False)
        try:
            if (path := place.local_path) is not None:
                return _read_file(path, url, limit_bytes)
            if self._offline:
                raise OfflineError(
                    f"{shown(url)} is needed, and the network is forbidden", hint="run once without --offline"
                )
            return self._ask(place, {"Accept": accept, **(headers or {})}, limit_bytes)
        except _TooLong:
            raise IntegrityError(
                f"{shown(url)} is longer than {limit_bytes} bytes", hint="it is not the document that was asked for"
            ) from None

    def _ask(self, place: Place, headers: Mapping[str, str], limit_bytes: int) -> Document | None:
        while True:
            try:
                return self._once(place.url, headers, limit_bytes)
            except TransferFault as fault:
                if fault.kind == "missing":
                    return None
                now = self._clock.monotonic()
                place.failed(fault, now=now, jitter=secrets.randbelow(1000) / 1000, policy=self._policy)
                if fault.kind == "rate limit" and (place.given_up or fault.wait_seconds > _WORTH_WAITING_SECONDS):
                    until = self._clock.now_seconds() + int(fault.wait_seconds) if fault.wait_seconds else None
                    raise api_limit(shown(place.url), now_seconds=self._clock.now_seconds(), until=until) from fault
                if place.given_up:
                    raise NetworkError(
                        f"{shown(place.url)} could not be read: {fault.reason}",
                        hint="run the same command again later; if it fails again, check the address and the network",
                    ) from fault
                self._clock.sleep(place.not_before - now)

    def _once(self, url: str, headers: Mapping[str, str], limit_bytes: int) -> Document:
        with self._client.get(url, headers) as answer:
            response = answer.response
            if response.status_code == 304 and "If-None-Match" in headers:
                return Document(b"", "", str(response.url), dict(response.headers), not_modified=True)
            if response.status_code != 200:
                raise fault_of_status(response, redirected=answer.redirected, now_seconds=self._clock.now_seconds())
            seconds = self._policy.deadline_for(limit_bytes)
            deadline = self._clock.monotonic() + seconds
            watch = SpeedWatch(self._policy, self._clock.monotonic())
            body = bytearray()
            for piece in answer.pieces():
                body += piece
                if len(body) > limit_bytes:
                    raise _TooLong
                if self._clock.monotonic() > deadline:
                    raise TransferFault(f"it did not come within {seconds:.0f} s", kind="slow", again=False)
                if watch.too_slow(len(piece), self._clock.monotonic()):
                    raise TransferFault("the server sends too slowly", kind="slow")
            media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
            return Document(bytes(body), media_type, str(response.url), dict(response.headers))


def _read_file(path: Path, url: str, limit_bytes: int) -> Document | None:
    try:
        with path.open("rb") as stream:
            body = stream.read(limit_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise NetworkError(
            f"{path} cannot be read: {error.strerror}", hint="check the path and its permissions"
        ) from error
    if len(body) > limit_bytes:
        raise _TooLong
    return Document(body, "", url)
