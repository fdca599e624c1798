"""Bringing bytes from elsewhere, and talking to a server on loopback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipeline.model.result import BlobRef
    from pipeline.model.upstream import PinnedAsset


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """One file to bring.

    Attributes:
        what: for messages, for example ``source of llama.cpp b11434``.
        urls: tried in order: https, http (loopback or allowed hosts), file; after the configured mirrors.
        sha256: lower-case hex that the bytes must have.
        size_bytes: that the file must have; None where only the digest is known.
        filename: to call it.
        find_urls: returns more urls; it is called, and may ask the network, only when neither the store nor a mirror
            nor ``urls`` have the file.
        limit_bytes: that a file of unknown size may have; None for what the transfer policy allows of any.
        is_optional: that a place lacks it is no news.
    """

    what: str
    urls: tuple[str, ...]
    sha256: str
    size_bytes: int | None
    filename: str
    find_urls: Callable[[], tuple[str, ...]] | None = None
    limit_bytes: int | None = None
    is_optional: bool = False

    @classmethod
    def of_asset(cls, asset: PinnedAsset, *, tag: str) -> Self:
        """Return how to bring a pinned file of a release."""
        return cls(
            what=f"archive of {tag}",
            urls=asset.urls,
            sha256=asset.sha256,
            size_bytes=asset.size_bytes,
            filename=asset.name,
        )


class Downloader(Protocol):
    """Brings bytes from elsewhere, verified, resumable, never wholly in memory."""

    def fetch(self, request: DownloadRequest, *, progress: Callable[[int, int | None], None] | None = None) -> BlobRef:
        """Return the file from the store, after downloading it when it is not there.

        Raises:
            OfflineError: it is not in the store and the network is forbidden.
            NetworkError: no url answered.
            IntegrityError: the bytes are not what was pinned; nothing is kept.
            NoSpaceError: the disk is full; the partial file is kept.
        """
        ...

    def unreachable(self, request: DownloadRequest) -> str:
        """Return why a file cannot be had now, empty when it is in the store or one of its places answers.

        Only the first byte is asked for, once, so the answer is quick and may be wrong a moment later.
        """
        ...

    def missing_bytes(self, sha256: str, size_bytes: int) -> int:
        """Return how many bytes of a file are not here yet: none that the store or an interrupted download has."""
        ...

    def fetch_all(
        self,
        requests: Sequence[DownloadRequest],
        *,
        jobs: int,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> tuple[BlobRef, ...]:
        """Return many files in the order of ``requests``, up to ``jobs`` of them brought at once.

        ``progress`` is told the bytes of all of them, by the calling thread.

        Raises:
            PipelineError: as for fetch, of the first file that failed; the others are stopped, and what came is kept.
        """
        ...

    def read_small(self, url: str, *, limit_bytes: int) -> bytes | None:
        """Return a small document (https, http, file), or None when the server says that there is none (404).

        Raises:
            OfflineError, NetworkError: as for fetch.
            IntegrityError: it is longer than ``limit_bytes``.
        """
        ...


class PackageIndex(Protocol):
    """Python package indexes as uv and pip are configured on this machine; no index host is named in this project."""

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        """Return where a file of a project can be had.

        Raises:
            NetworkError: no configured index answered.
            IntegrityError: the index answered with something that is no index page.
            NothingSelectedError: no configured index has that file.
            OfflineError: the network is forbidden.
        """
        ...

    def files_of(self, index: str, package: str) -> Mapping[str, str]:
        """Return file name to url of a project's files on one index that is named, whatever is configured.

        Raises:
            NetworkError: the index did not answer.
            IntegrityError: it answered with something that is no index page.
            NothingSelectedError: it does not have the project.
            OfflineError: the network is forbidden.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A small answer of a server on loopback."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class EventStream:
    """What a server on loopback sent as it came (``text/event-stream``).

    Attributes:
        status: of the answer.
        content_type: as the server says it, without parameters; empty where it says none.
        events: the data of each event, in order; of an answer with another content type, none.
        problem: why reading ended early: the time was up, the connection broke, too much came; empty where the server
            ended it, or the last event was taken for the end.
    """

    status: int
    content_type: str
    events: tuple[str, ...]
    problem: str = ""


class LoopbackHttp(Protocol):
    """Talks to a server that this process started on 127.0.0.1, never through a proxy."""

    def free_port(self) -> int:
        """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
        ...

    def get(self, port: int, path: str, *, timeout_seconds: float) -> HttpAnswer | None:
        """Return the answer, None when nobody listens or it did not answer in time."""
        ...

    def post_json(
        self, port: int, path: str, body: Mapping[str, object], *, timeout_seconds: float
    ) -> HttpAnswer | None:
        """Post a JSON document; as ``get``."""
        ...

    def post_for_events(
        self,
        port: int,
        path: str,
        body: Mapping[str, object],
        *,
        timeout_seconds: float,
        on_event: Callable[[str], bool],
    ) -> EventStream | None:
        """Post a JSON document and read a stream of events to its end; None when nobody listens.

        Args:
            port: of the server.
            path: of the request.
            body: the document.
            timeout_seconds: for all of it.
            on_event: is told each event's data at once; True says that it was the last.
        """
        ...


class FolderServer(Protocol):
    """Serves what a mirror has for others, and nothing else of its folder."""

    def serve(
        self, folder: Path, *, host: str, port: int, tls: tuple[Path, Path] | None, started: Callable[[str], None]
    ) -> None:
        """Serve until this process is interrupted.

        Args:
            folder: of the mirror.
            host: address or name to listen on.
            port: 0 for one that is free.
            tls: certificate chain and private key, PEM; None for plain http.
            started: is told the url once connections are accepted.

        Raises:
            KeyboardInterrupt: it was interrupted, and every connection is closed.
            UsageError: the certificate or its key cannot be used, or there is no such address.
            HostError: the port is taken or may not be used, or the server's libraries are not installed.
        """
        ...
