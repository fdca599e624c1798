"""Two network namespaces with a link between them that has delay, loss and a rate: netem's, or a relay of our own.

Needs root, `ip` and, where the kernel has no netem, /dev/net/tun: then a child process carries the packets between two
tun devices and holds each one back. Addresses are of the blocks that are meant for examples (RFC 5737).
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_ADDRESS, CLIENT_ADDRESS = "192.0.2.1", "192.0.2.2"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_MTU = 1500


class NoLinkError(Exception):
    """A link cannot be made here; the message says why."""


@dataclass(frozen=True)
class Link:
    """What the link is like: round trip in milliseconds, share of packets that are lost, bytes a second each way.

    ``congestion`` is the server's congestion control; "" leaves the kernel's default.
    """

    round_trip_ms: float
    loss: float
    bytes_per_second: float
    congestion: str = ""


@dataclass(frozen=True)
class Ends:
    """Names of the namespaces, and how the link is made (`netem` or `relay`)."""

    server: str
    client: str
    kind: str


@contextmanager
def linked(link: Link) -> Iterator[Ends]:
    """Give two namespaces that see each other over such a link.

    Raises:
        NoLinkError: not root, or the kernel lacks what is needed.
    """
    if os.geteuid() != 0:
        raise NoLinkError("network namespaces need root")
    server, client = f"fs-{os.getpid()}-s", f"fs-{os.getpid()}-c"
    try:
        for name in (server, client):
            _ip("netns", "add", name)
        kind = _netem(link, server, client) if _has_netem(server) else "relay"
        child = None if kind == "netem" else _relay(link, server, client)
        if link.congestion:
            set_it = f"echo {link.congestion} > /proc/sys/net/ipv4/tcp_congestion_control"
            _ip("netns", "exec", server, "sh", "-c", set_it)
        try:
            yield Ends(server, client, kind)
        finally:
            if child is not None:
                child.terminate()
                child.wait()
    finally:
        for name in (server, client):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NoLinkError("there is no `ip` (apt install iproute2)") from error
    if done.returncode:
        raise NoLinkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _has_netem(name: str) -> bool:
    _ip("-n", name, "link", "set", "lo", "up")
    argv = ["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    found = subprocess.run(argv, check=False, capture_output=True).returncode == 0
    if found:
        subprocess.run([*argv[:6], "del", "dev", "lo", "root"], check=False, capture_output=True)
    return found


def _netem(link: Link, server: str, client: str) -> str:
    _ip("-n", server, "link", "add", "eth", "type", "veth", "peer", "name", "eth", "netns", client)
    for name, address in ((server, SERVER_ADDRESS), (client, CLIENT_ADDRESS)):
        _address(name, "eth", address)
        netem = ["delay", f"{link.round_trip_ms / 2}ms", "loss", f"{link.loss:%}", "limit", "100000"]
        netem += ["rate", f"{link.bytes_per_second * 8:.0f}bit"]
        _ip("netns", "exec", name, "tc", "qdisc", "add", "dev", "eth", "root", "netem", *netem)
    return "netem"


def _address(name: str, device: str, address: str) -> None:
    _ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
    _ip("-n", name, "link", "set", "dev", device, "mtu", str(_MTU), "txqueuelen", "20000", "up")


def _relay(link: Link, server: str, client: str) -> subprocess.Popen[str]:
    if not Path("/dev/net/tun").exists():
        raise NoLinkError("the kernel has neither netem nor /dev/net/tun")
    argv = [sys.executable, __file__, server, client]
    argv += [str(link.round_trip_ms), str(link.loss), str(link.bytes_per_second)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    if child.stdout.readline() != "ready\n":
        raise NoLinkError(f"the relay ended with {child.wait()}")
    return child


class _Way:
    """One direction: a drop-tail queue before a line of that rate, and then the delay."""

    def __init__(self, link: Link, source: int, sink: int) -> None:
        self._link = link
        self._source, self._sink = source, sink
        self._held: deque[tuple[float, bytes]] = deque()
        self._free_at = 0.0
        self._room_seconds = 0.05  # of line: 2.5 MB at 50 MB/s

    def take(self, now: float) -> None:
        """Read what is there, a few hundred packets at most."""
        link = self._link
        with suppress(OSError):  # there is no more, or the namespace is gone
            for _ in range(256):
                packet = os.read(self._source, 65536)
                self._free_at = max(self._free_at, now)
                if self._free_at - now > self._room_seconds or (link.loss and random.random() < link.loss):
                    continue
                self._free_at += len(packet) / link.bytes_per_second
                self._held.append((self._free_at + link.round_trip_ms / 2000, packet))

    def give(self, now: float) -> float:
        """Pass on what is due; return the seconds until the next one is."""
        held, sink = self._held, self._sink
        while held and held[0][0] <= now:
            with suppress(OSError):
                os.write(sink, held.popleft()[1])
        return held[0][0] - now if held else 1.0


def _carry(link: Link, server: str, client: str) -> None:
    """Be the relay until killed."""
    ends = []
    for name, address in ((server, SERVER_ADDRESS), (client, CLIENT_ADDRESS)):
        device = f"t{os.getpid()}{name[-1]}"
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", device.encode(), _IFF_TUN | _IFF_NO_PI))
        _ip("link", "set", device, "netns", name)
        _address(name, device, address)
        ends.append(descriptor)
    print("ready", flush=True)
    ways = (_Way(link, ends[0], ends[1]), _Way(link, ends[1], ends[0]))
    while True:
        wait = min(way.give(time.monotonic()) for way in ways)
        select.select(ends, (), (), max(wait, 0.0003))
        now = time.monotonic()
        for way in ways:
            way.take(now)


if __name__ == "__main__":
    _carry(Link(*map(float, sys.argv[3:])), sys.argv[1], sys.argv[2])
