"""How a process that was started here is ended: asked first, so that it can end and take away what it made."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

_END_SECONDS = 15


def end(child: subprocess.Popen[bytes], *, whole_group: bool = False) -> None:
    """End a process and wait for it; one that does not end when asked is killed.

    Args:
        child: that was started here.
        whole_group: it leads a group, all of which is asked, and killed in any case.
    """
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            if whole_group:
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)  # nothing where it was waited for
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_END_SECONDS)
