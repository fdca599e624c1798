"""Where compiled objects are kept for the next build: the table ``[compiler_cache]`` of ``pipeline.toml``."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from pipeline.model.frozen import Frozen

CacheBackend = Literal["local", "redis", "s3", "gha"]
DEFAULT_SIZE = "10G"

_PLACE = re.compile(r"[\w.:\[\]-]+/?", re.ASCII)
_LONGEST_LABEL = 63  # between the dots of a host's name: RFC 1035, section 2.3.4
_Word = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]
_Size = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[GM]$")]


def _of_redis(url: str) -> str:
    return _place(url, "redis", "rediss")


def _of_s3(url: str) -> str:
    return _place(url, "http", "https")


def _place(url: str, *schemes: str) -> str:
    """Return a server's url without the slash at its end.

    Raises:
        ValueError: it is no ``scheme://host[:port]``; it is not shown, a password may stand in it.
    """
    scheme, mark, rest = url.partition("://")
    if "@" in rest:
        raise ValueError("must have no user name and no password: they come from the environment")
    if not mark or scheme not in schemes or not _PLACE.fullmatch(rest):
        raise ValueError(f"must be {' or '.join(f'{name}://host:port' for name in schemes)}, and nothing after it")
    _require_host_and_port(url)
    return url.rstrip("/")


def _require_host_and_port(url: str) -> None:
    """Refuse what no server can have, before a build asks for it.

    Raises:
        ValueError: it is no name or address of a host, or no port.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # brackets that hold no address
        host = ""
    labels = host.removesuffix(".").split(".")
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise ValueError("has no name or address of a host")
    try:
        port = urlsplit(url).port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("has no port from 1 to 65535")


class CompilerCacheSettings(Frozen):
    """Which compiler cache a build uses. Keys of another backend than the chosen one do not count.

    Passwords and keys have no place here: they come from the environment (docs/contract.md).

    Attributes:
        backend: ``local`` is a folder below the cache folder; ``redis``, ``s3`` and ``gha`` (GitHub's cache of Actions)
            are shared with other machines.
        url: of Redis, ``redis://host:port``, or ``rediss://`` for TLS.
        username: at Redis, where it has users.
        bucket: of S3.
        region: of the bucket; a server without regions takes ``auto`` or anything.
        endpoint: url of an S3 server that is not Amazon's.
        prefix: of every key, so that one server serves several projects; for ``gha`` the version of the whole cache.
        read_only: whether nothing may be added to a shared cache.
        size: most that the local cache takes, for example ``10G`` or ``500M``; a shared one is bounded by its server.
    """

    backend: CacheBackend | None = None
    url: Annotated[_Word, AfterValidator(_of_redis)] | None = None
    username: _Word | None = None
    bucket: _Word | None = None
    region: _Word | None = None
    endpoint: Annotated[_Word, AfterValidator(_of_s3)] | None = None
    prefix: _Word | None = None
    read_only: bool | None = None
    size: _Size | None = Field(default=None)

    def lacking(self) -> str | None:
        """Return the key without which the backend cannot be used, None when there is all it needs."""
        if self.backend == "redis" and not self.url:
            return "url"
        if self.backend == "s3" and not self.bucket:
            return "bucket"
        if self.backend == "s3" and not self.region:
            return "region"
        return None
