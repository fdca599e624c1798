"""What goes wrong in a transfer, sorted by what to do about it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pipeline.system.transfer_policy import retry_after_seconds

if TYPE_CHECKING:
    import httpx

Kind = Literal["network", "missing", "forbidden", "rate limit", "tls", "content", "refused", "slow"]
"""``content``: the bytes are not what was pinned; ``refused``: we will not do what the server asks."""

_AGAIN_LATER = {408, 425, 429, 500, 502, 503, 504}


class TransferFault(Exception):  # noqa: N818  # not an error yet: most are survived
    """One try failed.

    Attributes:
        reason: for people.
        kind: of fault.
        again: whether the same url may be tried again.
        wait_seconds: that the server asked for.
        spoils: whether the bytes that came so far must go.
    """

    def __init__(
        self,
        reason: str,
        *,
        kind: Kind = "network",
        again: bool = True,
        wait_seconds: float = 0.0,
        spoils: bool = False,
    ) -> None:
        """Keep what is known."""
        super().__init__(reason)
        self.reason = reason
        self.kind: Kind = kind
        self.again = again
        self.wait_seconds = wait_seconds
        self.spoils = spoils


def shown(url: str) -> str:
    """Return a url for messages: without user, password, query (signatures stand there) and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(no url)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def fault_of_status(response: httpx.Response, *, redirected: bool, now_seconds: int) -> TransferFault:
    """Return what an answer other than 200 and 206 means.

    Args:
        response: its headers are enough.
        redirected: whether another server sent us there: a signed location that expired answers 403, and asking the
            first one again gives a new location.
        now_seconds: since 1970.
    """
    status = response.status_code
    text = f"the server answered {status} {response.reason_phrase}".rstrip()
    asked = retry_after_seconds(response.headers.get("retry-after"), now_seconds)
    used_up = response.headers.get("x-ratelimit-remaining") == "0"
    if status == 429 or (status == 403 and (used_up or asked is not None)):
        reset = response.headers.get("x-ratelimit-reset", "")
        until_reset = float(max(0, int(reset[:12]) - now_seconds)) if used_up and reset.isdecimal() else None
        waits = [wait for wait in (asked, until_reset) if wait is not None]
        return TransferFault(
            f"{text}: its rate limit is used up",
            kind="rate limit",
            again=bool(waits) or status == 429,
            wait_seconds=max(waits, default=0.0),
        )
    if status in {404, 410}:
        return TransferFault(text, kind="missing", again=False)
    if status in {401, 403, 407}:
        return TransferFault(text, kind="forbidden", again=redirected and status != 407)
    again = status in _AGAIN_LATER or status >= 500
    return TransferFault(text, again=again, wait_seconds=asked or 0.0)


def fault_of_error(error: Exception) -> TransferFault:
    """Return what an exception of the HTTP library means."""
    import httpcore  # noqa: PLC0415  # loaded already, by httpx
    import httpx  # noqa: PLC0415  # 150 ms that commands without network do not need

    text = str(error) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TransferFault(f"TLS: {cause.verify_message}", kind="tls", again=False)
        if isinstance(cause, ssl.SSLError):
            return TransferFault(f"TLS: {cause.reason or text}", kind="tls")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return TransferFault(text, kind="refused", again=False)
    meanings: dict[type[Exception], str] = {
        httpx.ReadTimeout: "the server fell silent",
        httpcore.ReadTimeout: "the server fell silent",
        httpx.ConnectTimeout: "the server does not answer",
        httpx.ProxyError: f"the proxy failed: {text}",
    }
    return TransferFault(meanings.get(type(error), text))
