"""Where a conda channel is read instead: a url, or a folder of this machine by its path."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SCHEMES = ("https", "http", "file")


def channel_base(url: str) -> str:
    """Return the url of a channel without a slash at its end.

    Raises:
        ValueError: it is none that can be asked; it is not shown, since a url may hold a password.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ValueError("is no url")
    if scheme[1].lower() not in _SCHEMES:
        raise ValueError(f"has the scheme {scheme[1]!r}, which is none of {', '.join(_SCHEMES)}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no url") from None
    if parts.scheme == "file" and parts.netloc not in {"", "localhost"}:
        raise ValueError("names a host in a file: url; a folder of this machine has three slashes, as in file:///srv/c")
    if not (parts.path.strip("/") if parts.scheme == "file" else parts.hostname):
        raise ValueError(f"names no {'folder' if parts.scheme == 'file' else 'host'}")
    return url.rstrip("/")


def channel_place(text: str) -> str:
    """Return the url of a place: of itself, or of the folder whose absolute path it is.

    Raises:
        ValueError: it is neither; it is not shown.
    """
    if Path(text).is_absolute():
        return Path(text).as_uri()
    if _SCHEME.match(text) is None:
        raise ValueError("is neither a url nor the absolute path of a folder")
    return channel_base(text)
