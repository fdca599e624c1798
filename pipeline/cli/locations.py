"""Where a repository is, as a user writes it."""

from __future__ import annotations

import re
from pathlib import Path

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def location_of(text: str) -> str:
    """Return a url as it is, and a folder's path absolute."""
    return text if _URL.match(text) else str(Path(text).absolute())
