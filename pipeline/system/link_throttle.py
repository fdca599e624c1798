"""A program of its own: a proxy on loopback that holds bytes back as a link of some rate and delay would.

``python link_throttle.py BITS_PER_SECOND ROUND_TRIP_MS PORT`` listens on a free port of 127.0.0.1, prints one line of
JSON with ``port``, and passes each connection on to PORT until it is ended. All connections share the rate, each way. A
connection takes a round trip to be made, and each byte half of one to arrive. There are no packets, so nothing gets
lost and no connection starts slowly: a link of its kind is at least as slow. It needs no rights.

Only the standard library is used.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress

_HOST = "127.0.0.1"
_CHUNK_BYTES = 65536
_HELD_CHUNKS = 1024  # 64 MB: more than any link of these holds
_AHEAD_SECONDS = (
    0.05  # of line that are read ahead: a process that sleeps for each piece wakes up too late for the next
)


class Way:
    """One direction of the link, which all connections share."""

    def __init__(self, bytes_per_second: float, delay_seconds: float) -> None:
        """Take what the link is like."""
        self._bytes_per_second = bytes_per_second
        self._delay_seconds = delay_seconds
        self._free_at = 0.0

    async def take(self, size: int) -> float:
        """Wait until so many bytes are nearly on their way; return when they arrive."""
        self._free_at = max(self._free_at, time.monotonic()) + size / self._bytes_per_second
        left_at = self._free_at
        ahead = left_at - time.monotonic()
        if ahead > _AHEAD_SECONDS:
            await asyncio.sleep(ahead - _AHEAD_SECONDS / 2)
        return left_at + self._delay_seconds


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way) -> None:
    """Pass on what one end says until it ends."""
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD_CHUNKS)
    giving = asyncio.create_task(_give(held, sink))
    try:
        while data := await source.read(_CHUNK_BYTES):
            await held.put((await way.take(len(data)), data))
    except OSError:
        pass  # the connection was reset: what is held still arrives
    await held.put((time.monotonic(), b""))
    await giving


async def _give(held: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while True:
            due, data = await held.get()
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            if not data:
                break
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
        return
    while (await held.get())[1]:  # nobody reads any more: the other end must not wait for room
        pass


async def main(bits_per_second: float, round_trip_ms: float, port: int) -> None:
    """Be the link until ended."""
    delay = round_trip_ms / 2000
    up, down = (Way(bits_per_second / 8, delay) for _ in range(2))

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)
        try:
            far_reader, far_writer = await asyncio.open_connection(_HOST, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(carry(reader, far_writer, up), carry(far_reader, writer, down))
        for end in (far_writer, writer):
            end.close()

    server = await asyncio.start_server(accept, _HOST, 0)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
