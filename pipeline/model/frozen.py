"""The one base of all models, and the constrained types that they share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class Frozen(BaseModel):
    """A value that cannot change and takes no unknown key: an unknown key is a typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


def require_relative(path: str) -> str:
    """Return ``path`` if it is a plain POSIX path below its root.

    Raises:
        ValueError: it is empty, absolute, has a dot segment, a backslash, a drive letter or a control character.
    """
    segments = path.split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise ValueError("must be a relative path without empty or dot segments")
    if _NO_PATH.search(path):
        raise ValueError("must have no backslash, control character or drive letter")
    return path


def require_location(url: str) -> str:
    """Return ``url`` if it is one that every program reads alike: https, file of this machine, or a relative path.

    The characters are those of RFC 3986; what is percent-encoded may be no slash, dot segment or control character.

    Raises:
        ValueError: it has another scheme, a user name, a query, a fragment, no host where one belongs or one where none
            does, a dot segment, a backslash, a drive letter, or anything that is not ASCII.
    """
    if not _URL_CHARACTERS.fullmatch(url):
        raise ValueError("must have only the characters of a url, and no query or fragment")
    scheme, mark, rest = url.partition("://")
    if not mark:
        if ":" in url:
            raise ValueError("must be https, file or relative")
        path = url
    else:
        host, _, path = rest.partition("/")
        if scheme == "https" and not _HOST.fullmatch(host):
            raise ValueError("must name a host, and no user")
        if scheme == "file" and host:
            raise ValueError("must be a file of this machine")
        if scheme not in {"https", "file"}:
            raise ValueError("must be https, file or relative")
        if scheme == "file":
            path = _DRIVE.sub("", path)
    if "%" in _ENCODED.sub("", path) or unquote(path).count("/") != path.count("/"):
        raise ValueError("must be percent-encoded as RFC 3986 says, and no slash")
    require_relative(unquote(path, errors="strict"))
    return url


def require_utc_time(text: str) -> str:
    """Return ``text`` if it is a time that a clock can show, in whole seconds of UTC, from 1970 on.

    Raises:
        ValueError: it has another form, or there is no such day or hour.
    """
    if datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() < 0:
        raise ValueError("must not be before 1970: it becomes the time stamp of files")
    return text


_NO_PATH = re.compile(r"[\x00-\x1f\x7f\\]|\A.:", re.DOTALL)  # one pass: environments have tens of thousands of files
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/\[\]-]+")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_DRIVE = re.compile("^[A-Za-z]:/")
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
CommitId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}$")]
UtcTime = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"),
    AfterValidator(require_utc_time),
]
"""RFC 3339, UTC, whole seconds: ``2026-11-25T12:00:00Z``."""
RelativePath = Annotated[str, StringConstraints(max_length=4096), AfterValidator(require_relative)]
Location = Annotated[str, StringConstraints(max_length=4096), AfterValidator(require_location)]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+:~-]{0,63}$")]
"""A version of something that a host has: compared by number, so it is never long."""
FileSize = Annotated[int, Field(ge=0, le=1 << 40)]
"""Bytes; a tebibyte is far beyond every engine, and far below where sums of sizes mean nothing any more."""
Line = Annotated[str, StringConstraints(max_length=4096)]
"""Text that may be shown."""
