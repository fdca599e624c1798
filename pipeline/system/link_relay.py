"""A program of its own: two network namespaces with a link between them that has a rate, delay and loss.

``python link_relay.py BITS_PER_SECOND ROUND_TRIP_MS LOSS MAKER`` prints one line of JSON when the link is up, with
``maker`` and the process ids that the ends belong to (``server``, ``client``), and is the link until it is ended: no
name is given to anything, so the kernel takes namespaces and devices away with the two processes, however they end.
Where it cannot be made the line has ``refused``, and the program ends with ``REFUSED``.

``netem`` has the kernel hold packets back (a pair of veth devices, and a queue at each end). ``relay`` is two tun
devices, and this program carries the packets: a queue that drops what it has no room for, a line of that rate, then the
delay. ``auto`` takes netem where there are `ip`, `tc` and a kernel that has it. Root or user namespaces are needed, and
/dev/net/tun for a relay. Addresses are of the blocks that are meant for examples (RFC 5737).

Only the standard library is used. Sources: unshare(2), netdevice(7), user_namespaces(7), tc-netem(8), Linux's
tuntap.rst.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

SERVER_ADDRESS, CLIENT_ADDRESS = "192.0.2.1", "192.0.2.2"
REFUSED = 97
"""Exit code that no command of this project has."""

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI, _IFF_UP = 0x400454CA, 0x0001, 0x1000, 0x1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
_SIOCSIFMTU, _SIOCSIFTXQLEN = 0x8922, 0x8943
_DEVICE = "link0"
_MTU = 1500
_ROOM_SECONDS = 0.05  # of line that a queue holds: what a home router has, and two round trips of a LAN
_PACKETS_AT_ONCE = 256


class RefusedError(Exception):
    """The link cannot be made here; the message says why."""


class Line(NamedTuple):
    """What the link is like: bytes a second each way, the delay of each way, and the share of packets that get lost."""

    bytes_per_second: float
    delay_seconds: float
    loss: float


def main(arguments: list[str]) -> int:
    """Make the link and be it; return only on failure."""
    line = Line(float(arguments[0]) / 8, float(arguments[1]) / 2000, float(arguments[2]))
    try:
        _leave_network()
        ours, theirs = socket.socketpair()
        server = os.fork()
        if server == 0:
            ours.close()
            _be_the_far_end(theirs)
        theirs.close()
        _be_the_near_end(line, arguments[3], ours, server)
    except (RefusedError, OSError) as error:
        _say(refused=str(error))
    return REFUSED


def _leave_network() -> None:
    if sys.platform != "linux":
        raise RefusedError(f"network namespaces are Linux's, this is {sys.platform}")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        first = ctypes.get_errno()
        user, group = os.getuid(), os.getgid()
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            why = os.strerror(ctypes.get_errno())
            raise RefusedError(f"unshare: {os.strerror(first)}, and with a user namespace: {why}")
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    _bring_up("lo")


def _be_the_far_end(way: socket.socket) -> NoReturn:
    """Hold the server's namespace until the near end is gone."""
    code = REFUSED
    try:
        _leave_network()
        way.send(b"away")
        wanted = way.recv(16)
        if wanted == b"tun":
            socket.send_fds(way, [b"tun"], [_tun(SERVER_ADDRESS)])
        elif wanted == b"netem":
            _give_address(SERVER_ADDRESS)
            way.send(b"up")
        way.recv(1)  # until it is closed
        code = 0
    except (RefusedError, OSError) as error:
        with suppress(OSError):
            way.send(str(error).encode())
    finally:
        os._exit(code)


def _be_the_near_end(line: Line, maker: str, way: socket.socket, server: int) -> NoReturn:
    _expect(way, b"away")
    why = _why_no_netem() if maker == "auto" else "asked for"
    if not why:
        _make_netem(line, way, server)
        _tell("netem", "", server)
        while True:
            time.sleep(3600)
    way.send(b"tun")
    word, descriptors, _, _ = socket.recv_fds(way, 4096, 1)
    if not descriptors:
        raise RefusedError(word.decode(errors="replace"))
    ends = (descriptors[0], _tun(CLIENT_ADDRESS))
    _tell("relay", why, server)
    _carry(line, *ends)


def _tell(maker: str, why: str, server: int) -> None:
    _say(maker=maker, why=why, server=server, client=os.getpid())


def _say(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _expect(way: socket.socket, word: bytes) -> None:
    found = way.recv(4096)
    if found != word:
        raise RefusedError(found.decode(errors="replace") or "the far end is gone")


def _why_no_netem() -> str:
    """Return why the kernel cannot hold packets back, an empty text where it can."""
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)} here"
    try:
        _call("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
        _call("tc", "qdisc", "del", "dev", "lo", "root")
    except RefusedError as error:
        return str(error)
    return ""


def _make_netem(line: Line, way: socket.socket, server: int) -> None:
    _call("ip", "link", "add", _DEVICE, "type", "veth", "peer", "name", _DEVICE, "netns", str(server))
    way.send(b"netem")
    _expect(way, b"up")
    _give_address(CLIENT_ADDRESS)
    queue = ["netem", "delay", f"{line.delay_seconds * 1000}ms", "limit", "100000"]
    queue += ["loss", f"{line.loss:%}", "rate", f"{line.bytes_per_second * 8:.0f}bit"]
    _call("tc", "qdisc", "add", "dev", _DEVICE, "root", *queue)
    enter = str(Path(__file__).with_name("enter_network.py"))
    _call(
        sys.executable,
        "-I",
        enter,
        str(server),
        shutil.which("tc") or "tc",
        "qdisc",
        "add",
        "dev",
        _DEVICE,
        "root",
        *queue,
    )


def _call(*argv: str) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RefusedError(f"{' '.join(argv)}: {done.stderr.strip().partition(chr(10))[0]}")


def _tun(address: str) -> int:
    """Return a tun device of this namespace, up, with an address."""
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", _DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError as error:
        raise RefusedError(f"/dev/net/tun: {error.strerror}") from error
    _give_address(address)
    return descriptor


def _give_address(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = _DEVICE.encode()
        for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.0")):
            family = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton(value))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", name, family))
        fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", name, _MTU))
        fcntl.ioctl(control, _SIOCSIFTXQLEN, struct.pack("16si20x", name, 20000))
    _bring_up(_DEVICE)


def _bring_up(device: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH22x", device.encode(), 0))
        flags = struct.unpack_from("H", answer, 16)[0] | _IFF_UP
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", device.encode(), flags))


class _Way:
    """One direction: a queue that drops what it has no room for, before a line of that rate, and then the delay."""

    def __init__(self, line: Line, source: int, sink: int) -> None:
        self._line = line
        self._source, self._sink = source, sink
        self._held: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0

    def take(self, now: float) -> None:
        """Read what is there, a few hundred packets at most."""
        line = self._line
        with suppress(OSError):  # there is no more, or the namespace is gone
            for _ in range(_PACKETS_AT_ONCE):
                packet = os.read(self._source, 65536)
                self._free_at = max(self._free_at, now)
                if self._free_at - now > _ROOM_SECONDS or (line.loss and random.random() < line.loss):  # noqa: S311 - packets, no secrets
                    continue
                self._free_at += len(packet) / line.bytes_per_second
                self._held.append((self._free_at + line.delay_seconds, packet))

    def give(self, now: float) -> float:
        """Pass on what is due; return the seconds until the next one is."""
        held, sink = self._held, self._sink
        while held and held[0][0] <= now:
            with suppress(OSError):
                os.write(sink, held.popleft()[1])
        return held[0][0] - now if held else 1.0


def _carry(line: Line, server: int, client: int) -> NoReturn:
    """Be the relay until killed."""
    ways = (_Way(line, server, client), _Way(line, client, server))
    while True:
        wait = min(way.give(time.monotonic()) for way in ways)
        select.select((server, client), (), (), max(wait, 0.0002))
        now = time.monotonic()
        for way in ways:
            way.take(now)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
