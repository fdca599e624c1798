"""Keeps what is needed to mend a bug: the traceback, in a file beside the logs."""

from __future__ import annotations

import os
import platform
import sys
import time
import traceback
from typing import TYPE_CHECKING

from pipeline.app.project import version
from pipeline.app.settings import default_cache_dir
from pipeline.model.clean_text import presentable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.app.settings import Settings


def write_bug_report(error: BaseException, arguments: Sequence[str], settings: Settings | None) -> str | None:
    """Write the traceback to a file below the cache folder and return its path.

    Where that cannot be done, and with --verbose, the traceback goes to stderr too.
    """
    text = presentable("".join(traceback.format_exception(error)))
    folder = (settings.cache_dir if settings else default_cache_dir()) / "logs"
    path = folder / f"bug-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.txt"
    heading = f"engine-pipeline {version()}, Python {platform.python_version()}, {platform.platform()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{heading}\n{presentable(' '.join(arguments))}\n\n{text}", encoding="utf-8")
    except OSError:
        sys.stderr.write(text)
        return None
    if settings and settings.verbosity == "verbose":
        sys.stderr.write(text)
    return str(path)
