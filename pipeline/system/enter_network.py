"""A program of its own: enters the network namespace of another process, and becomes the command that it was given.

``python enter_network.py PID PROGRAM [ARGUMENT...]``. Where the process is in a user namespace of its own, that is
entered first: whoever made it may. Ends with ``REFUSED`` where it cannot. Only the standard library is used. Sources:
setns(2), namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

REFUSED = 97
"""Exit code that no command of this project has."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def main(arguments: list[str]) -> int:
    """Enter, and become the command; return only on failure."""
    try:
        enter(int(arguments[0]))
        os.execvp(arguments[1], arguments[1:])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"the link's namespace cannot be entered: {error}\n")
    return REFUSED


def enter(pid: int) -> None:
    """Enter the network of a process, and its user namespace where that is another one.

    Raises:
        OSError: the kernel refuses, or the process is gone.
    """
    for kind, flag in (("user", _CLONE_NEWUSER), ("net", _CLONE_NEWNET)):
        place = Path(f"/proc/{pid}/ns/{kind}")
        if place.readlink() == Path(f"/proc/self/ns/{kind}").readlink():
            continue
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, flag) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(place))
        os.close(descriptor)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
