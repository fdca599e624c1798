"""Who holds a lock: Linux lists every lock with its process in /proc/locks (proc_locks(5))."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

_ANOTHER = "another process"
# proc_locks(5): "1: FLOCK  ADVISORY  WRITE 1234 08:01:2048 0 EOF"; device numbers are hexadecimal, the inode is not.
_LINE = re.compile(r"FLOCK +\S+ +WRITE +(?P<pid>\d+) (?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+):(?P<inode>\d+) ")
_STOPPED = frozenset("tT")


def lock_holder(path: Path) -> str:
    """Return who holds the lock file ``path``, in words; less where the system does not tell."""
    try:
        status = path.stat()
        text = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _ANOTHER
    wanted = (os.major(status.st_dev), os.minor(status.st_dev), status.st_ino)
    for line in text.splitlines():
        match = _LINE.search(line)
        if match and (int(match["major"], 16), int(match["minor"], 16), int(match["inode"])) == wanted:
            return _in_words(int(match["pid"]))
    return _ANOTHER


def _in_words(pid: int) -> str:
    if pid <= 0:  # of another container
        return _ANOTHER
    with suppress(OSError, IndexError):
        # proc_pid_stat(5): the state follows the name, which stands in parentheses and may hold anything.
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        if state in _STOPPED:
            return f"process {pid}, which is stopped (kill -CONT {pid} lets it go on, kill -KILL {pid} ends it),"
    return f"process {pid}"
