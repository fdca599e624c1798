"""Whether this machine lets a process make network namespaces and tun devices, asked without the program's own code."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

_WAYS = (("--net",), ("--user", "--map-root-user", "--net"))


@functools.cache
def may_relay() -> bool:
    """Tell whether a tun device can be opened in a network namespace of one's own: by util-linux and a shell.

    ``unshare`` is on every Linux; where it is not, there is nothing to ask with, and tests that need the right fail
    rather than pass by.
    """
    if os.name != "posix" or not os.path.exists("/dev/net/tun"):  # noqa: PTH110 - a device
        return False
    unshare = shutil.which("unshare")
    if unshare is None:
        return True
    return any(
        subprocess.run(
            [unshare, *way, "/bin/sh", "-c", "exec 3<>/dev/net/tun"], check=False, capture_output=True
        ).returncode
        == 0
        for way in _WAYS
    )
