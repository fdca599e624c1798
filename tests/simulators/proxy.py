"""A small proxy on loopback: tunnels (CONNECT) and plain requests, with a password where wanted."""

from __future__ import annotations

import base64
import selectors
import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_END = b"\r\n\r\n"


class Proxy:
    """The proxy; use it as a context.

    Attributes:
        asked: the request lines so far.
    """

    def __init__(self, *, credentials: str | None = None) -> None:
        self._expected = None if credentials is None else base64.b64encode(credentials.encode())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head = b""
            while _END not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            head, _, rest = head.partition(_END)
            first, *lines = head.split(b"\r\n")
            self.asked.append(first.decode())
            given = next((x.split()[-1] for x in lines if x.lower().startswith(b"proxy-authorization:")), None)
            if given != self._expected:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            method, target, version = first.split()
            if method == b"CONNECT":
                host, _, port = target.decode().rpartition(":")
                with socket.create_connection((host, int(port))) as server:
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _pump(client, server)
                return
            parts = urlsplit(target.decode())
            path = parts._replace(scheme="", netloc="").geturl() or "/"
            kept = [line for line in lines if not line.lower().startswith((b"proxy-", b"connection:"))]
            with socket.create_connection((parts.hostname, parts.port or 80)) as server:
                request = [b"%s %s %s" % (method, path.encode(), version), *kept, b"Connection: close"]
                server.sendall(b"\r\n".join(request) + _END + rest)
                _pump(client, server)


def _pump(one: socket.socket, two: socket.socket) -> None:
    """Pass bytes both ways until one side ends."""
    with selectors.DefaultSelector() as selector:  # select(2) knows 1,024 descriptors
        for source, other in ((one, two), (two, one)):
            selector.register(source, selectors.EVENT_READ, other)
        while True:
            for key, _ in selector.select():
                piece = key.fileobj.recv(65536)
                if not piece:
                    return
                key.data.sendall(piece)
