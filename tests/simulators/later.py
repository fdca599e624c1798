"""A clock that is ahead, for Python programs that another program starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def six_days_ahead(folder: Path) -> Path:
    """Make a folder that, in PYTHONPATH, lets ``time.time`` be six days ahead: a timestamp of seven days ends soon."""
    return days_ahead(folder, 6)


def days_ahead(folder: Path, days: int) -> Path:
    """Make a folder that, in PYTHONPATH, lets ``time.time`` be some days ahead."""
    folder.mkdir()
    text = f"import time\nnow = time.time\ntime.time = lambda: now() + {days} * 24 * 3600\n"
    (folder / "sitecustomize.py").write_text(text)
    return folder
