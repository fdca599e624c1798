"""The last moment that is known to have been: signed lifetimes mean nothing to a clock that can be set back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.deploy.reading import read_plain
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, TrustError
from pipeline.model.frozen import Frozen
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ports import Disk

TIME_FILE = "last-known-time.json"
# Clocks are set back a little all the time; signed lifetimes are days.
_TOLERANCE_SECONDS = 300


class _LastKnownTime(Frozen):
    """When metadata was last found fresh; no later moment can come before it.

    Attributes:
        seconds: since 1970.
    """

    seconds: int = Field(ge=0)


def remember_time(state_dir: Path, now: int, disk: Disk) -> None:
    """Write down that ``now`` has been.

    To be called only when metadata was found fresh: a clock that runs ahead is remembered no further than signed
    lifetimes reach.
    """
    disk.replace_file(state_dir / TIME_FILE, write_document(_LastKnownTime(seconds=now)), staging_dir=state_dir)


def require_later(state_dir: Path, now: int) -> None:
    """Refuse a clock that stands before a moment that has been.

    A note that is damaged says as little as one that is gone, which whoever can damage it can bring about as well; it
    is written anew when metadata is next found fresh, and ``verify`` names it until then.

    Raises:
        TrustError: it does; freshness cannot be judged by it.
    """
    path = state_dir / TIME_FILE
    if not path.is_file() or not is_readable_time(path):
        return
    known = _read(path)
    if now < known - _TOLERANCE_SECONDS:
        raise TrustError(
            f"this machine's clock is {known - now} s before a moment at which this repository was seen",
            hint=f"set the clock; if it was ahead then and is right now, remove {path}",
        )


def metadata_digests(state_dir: Path) -> dict[str, str]:
    """Return the sha256 of each metadata file that is kept, by name; the note of time is none."""
    return {
        path.name: sha256_bytes(path.read_bytes())
        for path in sorted(state_dir.glob("*.json"))
        if path.name != TIME_FILE and path.is_file()  # a link may lead nowhere
    }


def is_readable_time(path: Path) -> bool:
    """Tell whether a note has the form in which it was written."""
    try:
        _read(path)
    except IntegrityError:
        return False
    return True


def _read(path: Path) -> int:
    return read_document(_LastKnownTime, read_plain(path, limit_bytes=LIMIT_BYTES), what=str(path)).seconds
