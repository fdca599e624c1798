"""Downloads: verified, resumed, from any of several places, never wholly in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, NetworkError, OfflineError
from pipeline.events import Notice
from pipeline.model.result import BlobRef
from pipeline.system.claims import claimed
from pipeline.system.disk import disk_errors
from pipeline.system.download_places import places_of
from pipeline.system.file_fetch import FileFetch
from pipeline.system.http_client import HttpClient
from pipeline.system.partial_file import PartialFile
from pipeline.system.small_documents import SmallDocuments
from pipeline.system.transfer_faults import TransferFault, fault_of_status, shown
from pipeline.system.transfer_policy import DEFAULT_POLICY, TransferPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.errors import PipelineError
    from pipeline.events import EventSink
    from pipeline.ports import Clock, DownloadRequest
    from pipeline.system.download_places import Place
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
        self._clock = clock
        self._mirrors = tuple(mirrors)
        self._policy = policy
        self._client = HttpClient(policy, ca_file=ca_file, http_hosts=http_hosts)
        self.documents = SmallDocuments(self._client, offline=offline, clock=clock, policy=policy)

    def fetch(self, request: DownloadRequest, *, progress: Progress | None = None) -> BlobRef:
        """Return the file from the store, after downloading it when it is not there.

        Raises:
            OfflineError: it is not in the store and the network is forbidden.
            NetworkError: no url answered; what came is kept and continued next time.
            IntegrityError: the bytes are not what was pinned; nothing is kept.
            NoSpaceError: the disk is full; the partial file is kept.
        """
        if blob := self._stored(request):
            return blob
        partials = self._store.cache_dir / "partials"
        places = places_of(request.urls, request.filename, self._mirrors)
        near = [place for place in places if place.local_path is not None] if self._offline else places

        def waiting() -> None:
            self._events.emit(Notice(f"{request.what}: another process downloads it; waiting for that"))

        with (
            disk_errors(partials),
            claimed(partials / f"{request.sha256}.lock", sleep=self._clock.sleep, waiting=waiting),
        ):
            if blob := self._stored(request):
                return blob
            fetch = FileFetch(
                request=request,
                partial=PartialFile(partials, request.sha256),
                store=self._store,
                client=self._client,
                clock=self._clock,
                events=self._events,
                policy=self._policy,
                progress=progress or _silent,
            )
            if blob := fetch.run(near):
                return blob
        wrong = any(fault.kind == "content" for place in near for fault in place.faults)
        if self._offline and len(near) < len(places) and not wrong:
            raise _offline_error(request)
        raise _failure(request, near)

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
                now = self._clock.now_seconds()
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


def _offline_error(request: DownloadRequest) -> OfflineError:
    url = next((shown(url) for url in request.urls if not url.startswith("file:")), request.filename)
    return OfflineError(
        f"{request.what} is not here, and the network is forbidden: it would come from {url}",
        hint=f"run once without --offline, or download it elsewhere and put it as {request.filename} into a folder "
        "that ENGINE_PIPELINE_MIRROR names",
    )


def _failure(request: DownloadRequest, places: Sequence[Place]) -> PipelineError:
    """Return the error for a file that no place had: integrity when that is all that is wrong, else the network."""
    last = [(place, place.faults[-1]) for place in places if place.faults]
    kinds = {fault.kind for _, fault in last}
    reasons = "; ".join(f"{shown(place.url)}: {fault.reason}" for place, fault in last) or "there is no url for it"
    message = f"{request.what} ({request.filename}) could not be brought: {reasons}"
    if "content" in kinds and kinds <= {"content", "missing"}:
        return IntegrityError(
            message, hint="the file was changed, or is not the one that was pinned; nothing of it was used"
        )
    if "rate limit" in kinds:
        hint = "wait until the limit is lifted, or name a place that has the file in ENGINE_PIPELINE_MIRROR"
    elif "tls" in kinds:
        hint = "check the system's time and certificates; SSL_CERT_FILE names others, for example a proxy's"
    elif kinds == {"missing"}:
        hint = "the file was moved or withdrawn; ENGINE_PIPELINE_MIRROR can name a place that has it"
    else:
        hint = "run the same command again; what came so far is kept and continued"
    return NetworkError(message, hint=hint)
