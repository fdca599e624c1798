"""Which conda channels the environments of a folder use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.catalog.conda_lock import LOCK
from pipeline.catalog.environments import ENVIRONMENT
from pipeline.catalog.lock_files import LockError, read_yaml
from pipeline.catalog.miniforge import RELEASES

if TYPE_CHECKING:
    from pathlib import Path

_NAMED = "https://conda.anaconda.org"  # conda's own default for a channel that is a name (channel_alias)
_LOCKED = re.compile(r"^  url: (\S+)/[^/\s]+/[^/\s]+$", re.MULTILINE)  # base, subdir, file


def channel_url(channel: str) -> str:
    """Return the url of a channel as environment.yml has it, without a slash at its end."""
    return channel.rstrip("/") if "://" in channel else f"{_NAMED}/{channel}"


def channels_in_use(envs_dir: Path) -> tuple[str, ...]:
    """Return the bases of channels that environments ask for or have locked packages of, and of Miniforge's releases.

    A file that makes no sense is passed over: whoever needs it says what is wrong with it.
    """
    found = {RELEASES}
    for path in envs_dir.glob(f"*/{ENVIRONMENT}"):
        try:
            asked = read_yaml(path).get("channels")
        except LockError:
            continue
        found.update(channel_url(channel) for channel in (asked if isinstance(asked, list) else ()) if channel)
        lock = path.parent / LOCK
        if lock.is_file():
            found.update(_LOCKED.findall(lock.read_text(encoding="utf-8", errors="replace")))
    return tuple(sorted(found))
