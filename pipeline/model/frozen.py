"""The one base of all models, and the constrained types that they share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints


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
    if "\\" in path or any(ord(c) < 0x20 or ord(c) == 0x7F for c in path) or (len(path) > 1 and path[1] == ":"):
        raise ValueError("must have no backslash, control character or drive letter")
    return path


def require_utc_time(text: str) -> str:
    """Return ``text`` if it is a time that a clock can show, in whole seconds of UTC, from 1970 on.

    Raises:
        ValueError: it has another form, or there is no such day or hour.
    """
    if datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() < 0:
        raise ValueError("must not be before 1970: it becomes the time stamp of files")
    return text


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
RelativePath = Annotated[str, AfterValidator(require_relative)]
