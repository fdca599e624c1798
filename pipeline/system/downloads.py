"""Downloads: verified, resumed, from any of several places, never wholly in memory."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

from pipeline.events import Notice
from pipeline.model.result import BlobRef
from pipeline.system.claims import claimed
from pipeline.system.disk import disk_errors
from pipeline.system.download_errors import failure, offline_error
from pipeline.system.download_places import places_of
from pipeline.system.file_fetch import FileFetch
from pipeline.system.http_client import HttpClient
from pipeline.system.parallel_fetch import fetch_all
from pipeline.system.partial_file import PartialFile, bytes_on_disk
from pipeline.system.server_limits import ServerLimits
from pipeline.system.shared_transfer import Stopped, TransferTools
from pipeline.system.small_documents import SmallDocuments
from pipeline.system.transfer_faults import TransferFault, fault_of_status, shown
from pipeline.system.transfer_policy import DEFAULT_POLICY, TransferPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.events import EventSink
    from pipeline.ports import Clock, DownloadRequest
    from pipeline.system.store import FileStore

    Progress = Callable[[int, int | None], None]


class HttpDownloader:
    """Brings files over https, http and file; implements ``ports.Downloader``.

    A file has one owner at a time; another process that wants it waits and then finds it in the store. Bytes enter the
    store only after the whole file was read back and has the pinned digest.

    Attributes:
        documents: small documents by the same connections.
    """

    def __init__(
        self,
        store: FileStore,
        *,
        offline: bool,
        events: EventSink,
        clock: Clock,
        mirrors: Sequence[str] = (),
        policy: TransferPolicy = DEFAULT_POLICY,
        ca_file: str | None = None,
        http_hosts: frozenset[str] = frozenset(),
    ) -> None:
        """Make a downloader; the network is touched when something is fetched.

        Args:
            store: that files enter.
            offline: only the store, local mirrors and ``file:`` urls are used.
            events: take notices of retries, waits, and mirrors with wrong files.
            clock: for waits and speed.
            mirrors: urls or folders that are tried first, as ``<mirror>/<filename>``.
            policy: patience.
            ca_file: certificates to trust instead of the usual ones.
            http_hosts: hosts that may be asked without TLS.
        """
        self._store = store
        self._offline = offline
        self._events = events
        self._mirrors = tuple(mirrors)
        self._client = HttpClient(policy, ca_file=ca_file, http_hosts=http_hosts)
        self._tools = TransferTools(self._client, ServerLimits(policy.ranges.connections), clock, policy)
        self.documents = SmallDocuments(self._client, offline=offline, clock=clock, policy=policy)

    def fetch(self, request: DownloadRequest, *, progress: Progress | None = None) -> BlobRef:
        """Return the file from the store, after downloading it when it is not there.

        Raises:
            OfflineError: it is not in the store and the network is forbidden.
            NetworkError: no url answered, or it took too long; what came is kept and continued next time.
            IntegrityError: the bytes are not what was pinned; nothing is kept.
            NoSpaceError: the disk is full; the partial file is kept.
        """
        return self._fetch(request, progress=progress or _silent, stop=threading.Event())

    def fetch_all(
        self, requests: Sequence[DownloadRequest], *, jobs: int, progress: Progress | None = None
    ) -> tuple[BlobRef, ...]:
        """Return many files in the order of ``requests``, up to ``jobs`` of them brought at once.

        Args:
            requests: what to bring; the same file may be asked for twice.
            jobs: how many files at once. All together never have more connections to one server than the policy says,
                as long as each has one.
            progress: is told the bytes of all of them, by the calling thread.

        Raises:
            PipelineError: as for ``fetch``, of the first file that failed. The others are stopped then; what came of
                them is kept, and files that are whole stay in the store.
        """
        return fetch_all(self._fetch, requests, jobs=jobs, progress=progress or _silent)

    def _fetch(self, request: DownloadRequest, *, progress: Progress, stop: threading.Event) -> BlobRef:
        if blob := self._stored(request):
            progress(blob.size_bytes, blob.size_bytes)
            return blob
        partials = self._store.cache_dir / "partials"

        def waiting() -> None:
            self._events.emit(Notice(f"{request.what}: another process downloads it; waiting for that"))

        def sleep(seconds: float) -> None:
            if stop.is_set():
                raise Stopped
            self._tools.clock.sleep(seconds)

        with disk_errors(partials), claimed(partials / f"{request.sha256}.lock", sleep=sleep, waiting=waiting):
            if blob := self._stored(request):
                return blob
            with closing(PartialFile(partials, request.sha256)) as partial:
                clock, policy = self._tools.clock, self._tools.policy
                fetch = FileFetch(
                    request=request,
                    partial=partial,
                    store=self._store,
                    tools=self._tools,
                    events=self._events,
                    progress=progress,
                    stop=stop,
                    deadline=clock.monotonic() + policy.deadline_for(request.size_bytes),
                )
                return self._from_places(request, fetch)

    def _from_places(self, request: DownloadRequest, fetch: FileFetch) -> BlobRef:
        """Try the mirrors and the urls, and then those that have to be looked up."""
        places = places_of(request.urls, request.filename, self._mirrors)
        near = [place for place in places if place.local_path is not None] if self._offline else places
        if blob := fetch.run(near):
            return blob
        if request.find_urls is not None:
            found = places_of(request.find_urls(), request.filename, ())
            near += [place for place in found if place.local_path is not None or not self._offline]
            places = [*places, *found]
            if blob := fetch.run(near):
                return blob
        wrong = any(fault.kind == "content" for place in near for fault in place.faults)
        if self._offline and len(near) < len(places) and not wrong:
            raise offline_error(request)
        raise failure(request, near)

    def missing_bytes(self, sha256: str, size_bytes: int) -> int:
        """Return how many bytes of a file are not here yet: none that the store or an interrupted download has."""
        if self._store.has_blob(sha256):
            return 0
        return max(0, size_bytes - bytes_on_disk(self._store.cache_dir / "partials", sha256))

    def unreachable(self, request: DownloadRequest) -> str:
        """Return why a file cannot be had now, empty when it is in the store or one of its places answers."""
        if self._stored(request):
            return ""
        reasons = []
        for place in places_of(request.urls, request.filename, self._mirrors):
            if (path := place.local_path) is not None:
                reason = "" if path.is_file() else f"{path} does not exist"
            elif self._offline:
                reason = "the network is forbidden"
            else:
                reason = self._first_byte(place.url)
            if not reason:
                return ""
            reasons.append(reason)
        return "; ".join(dict.fromkeys(reasons)) or "there is no url for it"

    def _first_byte(self, url: str) -> str:
        """Ask a server for one byte of a file; return why there is none, empty when it answers."""
        try:
            with self._client.get(url, {"Range": "bytes=0-0"}) as answer:
                if answer.response.status_code in {200, 206}:
                    return ""
                now = self._tools.clock.now_seconds()
                raise fault_of_status(answer.response, redirected=answer.redirected, now_seconds=now)
        except TransferFault as fault:
            return f"{shown(url)}: {fault.reason}"

    def read_small(self, url: str, *, limit_bytes: int) -> bytes | None:
        """Return a small document (https, http, file), or None when the server says that there is none (404).

        Raises:
            OfflineError, NetworkError: as for ``fetch``.
            IntegrityError: it is longer than ``limit_bytes``.
        """
        document = self.documents.get(url, limit_bytes=limit_bytes)
        return None if document is None else document.body

    def close(self) -> None:
        """Close connections that are kept open."""
        self._client.close()

    def _stored(self, request: DownloadRequest) -> BlobRef | None:
        path = self._store.blob_path(request.sha256)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        if request.size_bytes not in {None, size}:
            self._store.set_aside(path)  # it was whole when it entered
            return None
        return BlobRef(sha256=request.sha256, size_bytes=size, filename=request.filename)


def _silent(done: int, total: int | None) -> None:
    """Take progress that nobody asked for."""
