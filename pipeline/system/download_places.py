"""Where a file may be had: urls and mirrors in order, and how each has done so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.system.transfer_faults import TransferFault
    from pipeline.system.transfer_policy import TransferPolicy

_CONTENT_TRIES = 2  # a wrong answer that comes again will come a third time


@dataclass(slots=True)
class Place:
    """One url of a file.

    Attributes:
        url: https, http or file.
        is_mirror: whether it is a mirror's; what a mirror sends is never the last word.
        faults: of the tries since the last progress.
        not_before: monotonic seconds before which it is left alone.
        given_up: whether it is not tried again.
    """

    url: str
    is_mirror: bool
    faults: list[TransferFault] = field(default_factory=list)
    not_before: float = 0.0
    given_up: bool = False

    @property
    def local_path(self) -> Path | None:
        """Path of a ``file:`` url of this machine, None for any other."""
        try:
            parts = urlsplit(self.url)
        except ValueError:  # no url at all: asking for it will say so
            return None
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
            return None
        return Path(url2pathname(parts.path))

    def failed(self, fault: TransferFault, *, now: float, jitter: float, policy: TransferPolicy) -> None:
        """Note a fault, and when or whether to try again."""
        self.faults.append(fault)
        wrong = sum(earlier.kind == "content" for earlier in self.faults)
        self.given_up = (
            not fault.again
            or len(self.faults) >= policy.tries
            or wrong >= (1 if self.is_mirror else _CONTENT_TRIES)
            or fault.wait_seconds > policy.retry_after_limit_seconds
        )
        self.not_before = now + max(policy.backoff(len(self.faults), jitter), fault.wait_seconds)


def places_of(urls: Sequence[str], filename: str, mirrors: Sequence[str]) -> list[Place]:
    """Return mirrors (``<mirror>/<filename>``; urls or plain folders) and then the urls themselves, each once."""
    places = [Place(url=url, is_mirror=True) for url in (_mirrored(mirror, filename) for mirror in mirrors)]
    places += [Place(url=url, is_mirror=False) for url in urls]
    return list({place.url: place for place in reversed(places)}.values())[::-1]


def _mirrored(mirror: str, filename: str) -> str:
    if "://" in mirror:
        return f"{mirror.rstrip('/')}/{quote(filename)}"
    return (Path(mirror).absolute() / filename).as_uri()
