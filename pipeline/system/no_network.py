"""A program of its own: leaves every network, makes sure of it, and becomes the command that it was given.

``python no_network.py STDERR_FILE [PROGRAM ARGUMENT...]`` makes a network namespace (and a user namespace where that
needs one), in which there is nothing but a loopback interface, brings that up for servers that a command may start,
and checks from inside that there is no other interface, no route and no way out. Then it becomes PROGRAM, whose stderr
goes to STDERR_FILE; without one it prints what it found. Where any of that is not so it ends with ``REFUSED``.

Only the standard library is used, so any Python can be told to run this file. Sources: unshare(2), netdevice(7),
user_namespaces(7) for the order in which the maps are written.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from pathlib import Path

REFUSED = 97
"""Exit code that no command of this project has."""
MARK = "no isolation: "
"""What the last line then begins with."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
# Addresses of documentation (RFC 5737, RFC 3849): nobody has them. Connecting a datagram socket sends nothing.
_OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class _RefusedError(Exception):
    """This process is not cut off."""


def main(arguments: list[str]) -> int:
    """Cut this process off, then become the command; return only when there is none, or on failure."""
    try:
        _leave_network()
        _bring_loopback_up()
        found = _require_no_way_out()
        if len(arguments) < 2:
            sys.stdout.write(f"{found}\n")
            return 0
        log = os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 2)
        os.close(log)
        os.execv(arguments[1], arguments[1:])  # noqa: S606 - no shell is wanted
    except (_RefusedError, OSError) as error:
        sys.stdout.write(f"{MARK}{error}\n")
    return REFUSED


def _leave_network() -> None:
    if sys.platform != "linux":
        raise _RefusedError(f"network namespaces are Linux's, this is {sys.platform}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return
    first = ctypes.get_errno()
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        why = os.strerror(ctypes.get_errno())
        raise _RefusedError(f"unshare: {os.strerror(first)}, and with a user namespace: {why}")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        import fcntl  # noqa: PLC0415 - not on Windows, where this ends before

        up = struct.pack("16sH14s", b"lo", _flags(control, "lo") | _IFF_UP, b"")
        fcntl.ioctl(control, _SIOCSIFFLAGS, up)


def _flags(control: socket.socket, name: str) -> int:
    """Return an interface's flags; /sys would show those of the namespace that mounted it."""
    import fcntl  # noqa: PLC0415 - as above

    answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH14s", name.encode(), 0, b""))
    return int(struct.unpack_from("H", answer, 16)[0])


def _require_no_way_out() -> str:
    """Return what was found; anything that could lead out is refused."""
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    # The kernel puts tunnels that lead nowhere into each new namespace; only an interface that is up could be a way.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        up = [name for name in others if _flags(control, name) & _IFF_UP]
    routes = _read("/proc/self/net/route", "").splitlines()[1:]
    far = [line for line in _read("/proc/self/net/ipv6_route", "").splitlines() if line.split()[-1] != "lo"]
    if up or routes or far:
        raise _RefusedError(f"there are interfaces {up} and {len(routes) + len(far)} routes")
    said = [_try_to_leave(family, address) for family, address in _OUTSIDE]
    return f"no route, no interface but lo; connecting out: {', '.join(dict.fromkeys(said))}"


def _try_to_leave(family: socket.AddressFamily, address: str) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
    except OSError as error:
        if error.errno in _NO_WAY:
            return error.strerror or str(error)
        raise _RefusedError(f"connecting to {address} failed in another way: {error}") from error
    raise _RefusedError(f"there is a way to {address}")


def _read(path: str, default: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except FileNotFoundError:
        return default


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
