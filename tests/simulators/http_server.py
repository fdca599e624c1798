"""A web server on loopback that misbehaves on request: each resource has a script of faults, one for each request.

After its script a resource is served properly: with length, strong entity tag, ranges and If-Range.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import re
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

PIECE_BYTES = 1 << 14


@dataclass
class Resource:
    """What stands at a path."""

    data: bytes
    tag: str | None
    media_type: str
    faults: list[Fault] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    bytes_sent: int = 0


class Exchange:
    """One request, in a fault's hands."""

    def __init__(self, handler: http.server.BaseHTTPRequestHandler, resource: Resource) -> None:
        self.handler = handler
        self.resource = resource

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def body(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self.handler.wfile.write(piece)
            self.resource.bytes_sent += len(piece)

    def answer(self, status: int, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.head(status, {"Content-Length": str(len(data)), **self.entity(), **(headers or {})})
        self.body(data)

    def entity(self) -> dict[str, str]:
        tag = {"ETag": self.resource.tag} if self.resource.tag is not None else {}
        return {"Content-Type": self.resource.media_type, "Accept-Ranges": "bytes", **tag}

    def span(self) -> tuple[int, int] | None:
        """Return start and end of the part that the client wants, None for the whole."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.handler.headers.get("Range", ""))
        if match is None or self.handler.headers.get("If-Range") not in {None, self.resource.tag}:
            return None
        total = len(self.resource.data)
        return int(match[1]), min(int(match[2]) + 1, total) if match[2] else total

    def wanted(self) -> bytes:
        """Return the bytes that the client wants."""
        start, end = self.span() or (0, None)
        return self.resource.data[start:end]

    def begin(self) -> None:
        span, total = self.span(), len(self.resource.data)
        part = {"Content-Range": f"bytes {span[0]}-{span[1] - 1}/{total}"} if span else {}
        self.head(206 if span else 200, {"Content-Length": str(len(self.wanted())), **self.entity(), **part})

    def proper(self) -> None:
        span, total = self.span(), len(self.resource.data)
        if span is not None and span[0] >= total:
            self.answer(416, b"", {"Content-Range": f"bytes */{total}"})
        else:
            self.begin()
            self.body(self.wanted())

    def reset(self) -> None:
        """End the connection with a reset."""
        self.handler.wfile.flush()
        connection = self.handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handler.close_connection = True
        with suppress(OSError):
            self.handler.wfile.close()
        connection.close()

    def hang_up(self) -> None:
        """End the connection quietly."""
        self.handler.wfile.flush()
        self.handler.close_connection = True
        with suppress(OSError):
            self.handler.connection.shutdown(socket.SHUT_RDWR)


Fault = "Callable[[Exchange], None]"


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"sorry") -> Fault:
    """Answer with a status."""
    return lambda x: x.answer(code, body, {"Content-Type": "text/plain", **(headers or {})})


def reset_after(count: int) -> Fault:
    """Promise everything, send some, reset the connection."""

    def play(x: Exchange) -> None:
        x.begin()
        x.body(x.wanted()[:count])
        x.handler.wfile.flush()
        time.sleep(0.05)  # let the client read what came before the reset
        x.reset()

    return play


def hang_up_after(count: int) -> Fault:
    """Promise everything, send some, close the connection."""

    def play(x: Exchange) -> None:
        x.begin()
        x.body(x.wanted()[:count])
        x.hang_up()

    return play


def other_body(data: bytes, **headers: str) -> Fault:
    """Answer with a body of its own, properly announced."""
    return lambda x: x.answer(200, data, {name.replace("_", "-"): value for name, value in headers.items()})


def ignore_range() -> Fault:
    """Send the whole whatever was asked."""
    return lambda x: x.answer(200, x.resource.data)


def part(content_range: str, start: int, **headers: str) -> Fault:
    """Answer 206 with a Content-Range of choice."""

    def play(x: Exchange) -> None:
        data = x.resource.data[start:]
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        x.answer(206, data, {"Content-Range": content_range, **extra})

    return play


def endless(*, chunked: bool = False) -> Fault:
    """Send without end and without a length."""

    def play(x: Exchange) -> None:
        x.head(200, {**x.entity(), **({"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"})})
        x.handler.close_connection = True
        block = b"e" * PIECE_BYTES
        while True:
            x.body(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)

    return play


def cut_chunk() -> Fault:
    """End in the middle of a chunk."""

    def play(x: Exchange) -> None:
        x.head(200, {**x.entity(), "Transfer-Encoding": "chunked"})
        x.body(b"400\r\n" + x.resource.data[:100])
        x.hang_up()

    return play


def no_length() -> Fault:
    """Send properly, but say no length."""

    def play(x: Exchange) -> None:
        x.head(200, {**x.entity(), "Connection": "close"})
        x.handler.close_connection = True
        x.body(x.resource.data)

    return play


def drip(seconds_each: float, piece: int = 1) -> Fault:
    """Send a few bytes at a time."""

    def play(x: Exchange) -> None:
        x.begin()
        data = x.wanted()
        for start in range(0, len(data), piece):
            x.body(data[start : start + piece])
            x.handler.wfile.flush()
            time.sleep(seconds_each)

    return play


def silence(seconds: float) -> Fault:
    """Send the head and some bytes, then nothing for a while."""

    def play(x: Exchange) -> None:
        x.begin()
        x.body(x.wanted()[:10])
        x.handler.wfile.flush()
        time.sleep(seconds)
        x.hang_up()

    return play


def compressed() -> Fault:
    """Send the whole in gzip encoding."""
    return lambda x: x.answer(200, gzip.compress(x.resource.data), {"Content-Encoding": "gzip"})


def redirect(location: str, code: int = 302) -> Fault:
    """Send the client elsewhere."""
    return status(code, {"Location": location})


proper = Exchange.proper  # serve the resource as it is; a pause in a script


class FaultyServer:
    """The server; use it as a context."""

    def __init__(self) -> None:
        self.resources: dict[str, Resource] = {}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner._serve(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Say nothing: connections break here on purpose."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def host(
        self, path: str, data: bytes, *faults: Fault, tag: str | None = "", media_type: str = "application/octet-stream"
    ) -> str:
        """Put something at a path; return its url. ``tag``: "" makes a strong one, None gives none."""
        made = f'"{hashlib.sha256(data).hexdigest()[:16]}"' if tag == "" else tag
        self.resources[path] = Resource(data, made, media_type, list(faults))
        return self.url(path)

    def requests(self, path: str) -> list[dict[str, str]]:
        """Return the headers of each request so far, names in lower case."""
        return self.resources[path].requests if path in self.resources else []

    def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        resource = self.resources.get(handler.path)
        if resource is None:
            Exchange(handler, Resource(b"", None, "text/plain")).answer(404, b"no such page")
            return
        headers = {name.lower(): value for name, value in handler.headers.items()}
        resource.requests.append(headers | ({":body": body.decode()} if body else {}))
        exchange = Exchange(handler, resource)
        play = resource.faults.pop(0) if resource.faults else Exchange.proper
        with suppress(OSError):
            play(exchange)
