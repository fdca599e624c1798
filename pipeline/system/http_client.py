"""HTTP requests with redirects followed by hand, so that each hop is looked at."""

from __future__ import annotations

import ipaddress
import os
import ssl
import threading
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.system.http_answer import Answer
from pipeline.system.transfer_faults import TransferFault, fault_of_error, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

    from pipeline.system.transfer_policy import TransferPolicy

_REDIRECTS = {301, 302, 303, 307, 308}
_AGENT = "engine-pipeline"
_OF_ONE_ORIGIN = {"authorization", "cookie", "proxy-authorization"}
_KEPT_CONNECTIONS = 16


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that trusts what this machine trusts, as other programs on it do.

    That is ``ca_file``, else what SSL_CERT_FILE and SSL_CERT_DIR name, else the system's own certificates (a site's
    private ones too); only where there are none, those that come with certifi.
    """
    if ca_file:
        return ssl.create_default_context(cafile=ca_file)
    places = ssl.get_default_verify_paths()
    named = os.environ.get(places.openssl_cafile_env)
    if named and not Path(named).is_file():  # OpenSSL would go on without it
        raise FileNotFoundError(2, "no such file of certificates (SSL_CERT_FILE)", named)
    context = ssl.create_default_context()
    if not (places.cafile or places.capath):
        import certifi  # noqa: PLC0415  # rarely needed

        context.load_verify_locations(certifi.where())
    return context


class HttpClient:
    """Asks servers; proxies come from the usual environment variables, certificates are always checked."""

    def __init__(
        self, policy: TransferPolicy, *, ca_file: str | None = None, http_hosts: frozenset[str] = frozenset()
    ) -> None:
        """Make a client; nothing is loaded or opened before the first request.

        Args:
            policy: timeouts and the number of redirects.
            ca_file: certificates to trust instead of the usual ones (PIP_CERT); None leaves it to SSL_CERT_FILE.
            http_hosts: hosts that may be asked without TLS, because the user configured them so; loopback always may.
        """
        self._policy = policy
        self._ca_file = ca_file
        self._http_hosts = http_hosts
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx.Client] = {}

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, http2: bool = True) -> Iterator[Answer]:
        """Ask for ``url`` and give the answer to the last redirect.

        Content encodings are never asked for, and an answer that has one is refused. The first url is always the one
        that was asked for: where it leads is asked anew each time. A redirect to another origin (scheme, host or port)
        carries no credentials on, nor does any that follows it.

        Args:
            url: to ask.
            headers: of the request; ``Authorization`` and ``Cookie`` are meant for the origin of ``url`` alone.
            http2: whether HTTP/2 is spoken where a TLS server offers it; for large bodies HTTP/1.1 is faster.

        Raises:
            TransferFault: the connection failed, or a redirect is refused: to another scheme than https (http stays
                http), without or with a bad location, or one too many.
        """
        import httpx  # noqa: PLC0415  # 150 ms that commands without network do not need

        sent = {"User-Agent": _AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        here = url
        for hop in range(self._policy.redirects + 1):
            self._require_allowed(here)
            try:
                client = self._opened(http2=http2 and here.lower().startswith("https:"))
                response = client.send(client.build_request("GET", here, headers=sent), stream=True)
            except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
                raise fault_of_error(error) from error
            try:
                if response.status_code in _REDIRECTS:
                    there = next_url(str(response.url), response.headers.get("location"))
                    if origin_of(there) != origin_of(here):
                        sent = {name: value for name, value in sent.items() if name.lower() not in _OF_ONE_ORIGIN}
                    here = there
                    continue
                encoding = response.headers.get("content-encoding", "identity").strip().lower()
                if encoding not in {"", "identity"}:
                    raise TransferFault(f"the server sent {encoding} encoding unasked", kind="refused", again=False)
                yield Answer(response, redirected=hop > 0)
                return
            finally:
                response.close()
        raise TransferFault(f"more than {self._policy.redirects} redirects", kind="refused", again=False)

    def close(self) -> None:
        """Close connections that are kept open."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _require_allowed(self, url: str) -> None:
        import httpx  # noqa: PLC0415  # loaded already

        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise TransferFault(f"{url!r} is no url: {error}", kind="refused", again=False) from error
        if parts.scheme == "https" or (
            parts.scheme == "http" and (is_loopback(parts.host) or parts.host in self._http_hosts)
        ):
            return
        raise TransferFault(
            f"{shown(url)} has no TLS, and its host is not one that was configured so"
            if parts.scheme == "http"
            else f"{shown(url)} is neither https nor http",
            kind="refused",
            again=False,
        )

    def _opened(self, *, http2: bool) -> httpx.Client:
        with self._lock:
            if http2 not in self._clients:
                self._clients[http2] = self._made(http2=http2)
            return self._clients[http2]

    def _made(self, *, http2: bool) -> httpx.Client:
        import httpx  # noqa: PLC0415  # loaded already

        policy = self._policy
        try:
            return httpx.Client(
                verify=_tls_context(self._ca_file),  # one each: a client writes its protocols into it
                http2=http2,
                timeout=httpx.Timeout(policy.read_timeout_seconds, connect=policy.connect_timeout_seconds),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=_KEPT_CONNECTIONS),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none are kept
            )
        except OSError as error:
            raise TransferFault(f"the trusted certificates cannot be read: {error}", kind="tls", again=False) from error
        except (ImportError, ValueError) as error:
            raise TransferFault(f"the configured proxy cannot be used: {error}", again=False) from error


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Return (scheme, host, port) of a url; the port is None where it is the scheme's own (RFC 6454)."""
    import httpx  # noqa: PLC0415  # loaded already

    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port


def next_url(here: str, location: str | None) -> str:
    """Return where a redirect leads, the location's own spelling kept (signed urls break when they are tidied up).

    Raises:
        TransferFault: there is none, it is malformed, or it leaves https, or http for something else than https.
    """
    import httpx  # noqa: PLC0415  # loaded already

    if not location:
        raise TransferFault("a redirect without a place to go to", kind="refused", again=False)
    try:
        before, after = httpx.URL(here), httpx.URL(here).join(location)
    except httpx.InvalidURL as error:
        raise TransferFault(f"a redirect to {location!r}, which is no url", kind="refused", again=False) from error
    if after.scheme not in {"https", before.scheme} or after.scheme not in {"https", "http"}:
        raise TransferFault(
            f"a redirect from {before.scheme} to {after.scheme or 'nothing'}", kind="refused", again=False
        )
    return str(after)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
