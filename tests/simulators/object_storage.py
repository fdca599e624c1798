"""As much of S3 as sccache asks for, on loopback: objects by path, no signature is looked at."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ObjectStorage:
    """A bucket's server.

    Attributes:
        url: its endpoint.
        objects: path to content.
        signed: of each request, whether it had a signature.
        denies: whether every request is refused.
        fails: whether every request ends in an error of the server.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    signed: list[bool] = field(default_factory=list)
    denies: bool = False
    fails: bool = False


@contextlib.contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    """Serve an empty one."""
    storage = ObjectStorage()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer(404 if self.path not in storage.objects else 200, storage.objects.get(self.path, b""))

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not storage.denies and not storage.fails:
                storage.objects[self.path] = body
            self._answer(200, b"")

        def _answer(self, status: int, body: bytes) -> None:
            storage.signed.append("authorization" in self.headers)
            if storage.denies:
                status, body = 403, b"<Error><Code>AccessDenied</Code></Error>"
            if storage.fails:
                status, body = 503, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    storage.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield storage
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
