"""Small and read-only file systems; a test that needs one is skipped, with the reason, where nothing can be mounted."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOUNT = shutil.which("mount") or "/bin/mount"
UMOUNT = shutil.which("umount") or "/bin/umount"


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """Mount something at ``folder`` for a while; ``arguments`` are those of mount(8) before the folder."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run([MOUNT, *arguments, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([UMOUNT, "-l", folder], check=True)
