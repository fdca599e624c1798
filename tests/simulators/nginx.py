"""The machine's own nginx as an ordinary process with its own configuration in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")

_CONFIGURATION = """
daemon off;
pid {folder}/pid;
error_log {folder}/errors;
worker_processes 1;
{user}
events {{ }}
http {{
    log_format short '$server_protocol $status "$request" "$http_range" $body_bytes_sent';
    access_log {folder}/requests short;
    client_body_temp_path {folder}/temporary;
    proxy_temp_path {folder}/temporary;
    fastcgi_temp_path {folder}/temporary;
    uwsgi_temp_path {folder}/temporary;
    scgi_temp_path {folder}/temporary;
    sendfile on;
    keepalive_requests 100000;
    limit_conn_zone $binary_remote_addr zone=each:1m;
    server {{
        listen {listen};
        root {root};
        {extra}
    }}
}}
"""


class Nginx:
    """nginx that serves a folder; use it as a context.

    Attributes:
        listen: address and port.
    """

    def __init__(
        self, folder: Path, *, root: Path, listen: str, extra: str = "", tls: tuple[Path, Path] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Prepare.

        Args:
            folder: for its files.
            root: what it serves.
            listen: address and port.
            extra: more directives of the server.
            tls: certificate chain and key; HTTP/2 is offered then.
            prefix: of the command, for example to run it elsewhere.
        """
        self.listen = listen
        self._folder = folder
        self._prefix = prefix
        self._scheme = "http" if tls is None else "https"
        folder.mkdir(exist_ok=True)
        if tls is not None:
            extra = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]}; {extra}"
            listen = f"{listen} ssl http2"
        user = "user root;" if os.geteuid() == 0 else ""  # the folders of tests are closed to others
        text = _CONFIGURATION.format(folder=folder, root=root, listen=listen, extra=extra, user=user)
        (folder / "nginx.conf").write_text(text)

    def __enter__(self) -> Self:
        argv = [*self._prefix, PROGRAM, "-p", self._folder, "-c", self._folder / "nginx.conf"]
        self._process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not (self._folder / "pid").exists() or not (self._folder / "pid").read_text():
            assert self._process.poll() is None, (self._folder / "errors").read_text()
            assert time.monotonic() < deadline, "nginx did not start"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def url(self, path: str) -> str:
        """Return the url of a file."""
        return f"{self._scheme}://{self.listen}{path}"

    def requests(self) -> list[str]:
        """Return a line for each request that has ended: protocol, status, request line, range, bytes."""
        return (self._folder / "requests").read_text().splitlines()


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
