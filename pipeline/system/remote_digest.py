"""Digests of files elsewhere that nobody has a digest of yet: read once, hashed on the way, not kept."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, NetworkError, OfflineError
from pipeline.system.download_places import Place
from pipeline.system.transfer_faults import TransferFault, fault_of_status, shown
from pipeline.system.transfer_policy import SpeedWatch, TransferPolicy

if TYPE_CHECKING:
    from pipeline.ports import Clock
    from pipeline.system.http_client import HttpClient


class StreamHasher:
    """Hashes what a url gives; implements ``ports.RemoteHasher``."""

    def __init__(self, client: HttpClient, *, offline: bool, clock: Clock, policy: TransferPolicy) -> None:
        """Read through ``client``."""
        self._client = client
        self._offline = offline
        self._clock = clock
        self._policy = policy

    def sha256_of(self, url: str, *, size_bytes: int) -> str:
        """Return the sha256 of what is at a url; a try that fails starts over."""
        sha256, found = self._patiently(url, size_bytes)
        if found != size_bytes:
            raise IntegrityError(
                f"{shown(url)} has {'more' if found > size_bytes else found} bytes, and the listing says {size_bytes}",
                hint="the listing and the file do not belong together; nothing was pinned",
            )
        return sha256

    def measure(self, url: str, *, limit_bytes: int) -> tuple[str, int]:
        """Return the sha256 and the size of what is at a url; a try that fails starts over."""
        sha256, size_bytes = self._patiently(url, limit_bytes)
        if size_bytes > limit_bytes:
            raise IntegrityError(f"{shown(url)} is longer than {limit_bytes} bytes", hint="it was not read to its end")
        return sha256, size_bytes

    def _patiently(self, url: str, limit_bytes: int) -> tuple[str, int]:
        """Return the digest and size of what is there; reading ends one piece past the limit."""
        if self._offline:
            raise OfflineError(
                f"the digest of {shown(url)} is not known, and the network is forbidden",
                hint="run once without --offline",
            )
        place = Place(url=url, is_mirror=False)
        while True:
            try:
                return self._once(url, limit_bytes)
            except TransferFault as fault:
                now = self._clock.monotonic()
                place.failed(fault, now=now, jitter=secrets.randbelow(1000) / 1000, policy=self._policy)
                if place.given_up:
                    raise NetworkError(
                        f"{shown(url)} could not be read: {fault.reason}", hint="run the same command again later"
                    ) from fault
                self._clock.sleep(place.not_before - now)

    def _once(self, url: str, limit_bytes: int) -> tuple[str, int]:
        with self._client.get(url, {}) as answer:
            if answer.response.status_code != 200:
                now = self._clock.now_seconds()
                raise fault_of_status(answer.response, redirected=answer.redirected, now_seconds=now)
            watch = SpeedWatch(self._policy, self._clock.monotonic())
            digest, size = hashlib.sha256(), 0
            for piece in answer.pieces():
                digest.update(piece)
                size += len(piece)
                if size > limit_bytes:
                    break
                if watch.too_slow(len(piece), self._clock.monotonic()):
                    raise TransferFault("the server sends too slowly")
        return digest.hexdigest(), size
