"""A package index on loopback (PEP 691 with sizes, PEP 658 metadata), with wheels that hold their metadata alone."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from typing import Self

_JSON = "application/vnd.pypi.simple.v1+json"


class WheelIndex:
    """An index; ``url`` is what UV_DEFAULT_INDEX takes. ``broken`` makes every answer a failure."""

    def __init__(self) -> None:
        self._pages: dict[str, list[dict[str, object]]] = {}
        self._files: dict[str, bytes] = {}
        self.broken = False
        self.requests: list[str] = []
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                index.requests.append(self.path)
                status, media_type, data = index.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/simple/"

    def add(
        self,
        name: str,
        version: str,
        *,
        tag: str = "py3-none-any",
        needs: tuple[str, ...] = (),
        yanked: str = "",
        without: tuple[str, ...] = (),
    ) -> str:
        """Add a wheel, and return its file name. ``without`` leaves ``size`` or ``hashes`` out of the page."""
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
        filename = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        data = _wheel(f"{name.replace('-', '_')}-{version}.dist-info", metadata, tag)
        self._files[f"/files/{filename}"] = data
        self._files[f"/files/{filename}.metadata"] = metadata.encode()
        entry: dict[str, object] = {
            "filename": filename,
            "url": f"/files/{filename}",
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
            "size": len(data),
            "core-metadata": {"sha256": hashlib.sha256(metadata.encode()).hexdigest()},
            "upload-time": "2026-01-01T00:00:00Z",
        }
        entry |= {"hashes": {}} if "hashes" in without else {}
        entry |= {"yanked": yanked} if yanked else {}
        self._pages.setdefault(name, []).append(
            {key: value for key, value in entry.items() if key != "size" or key not in without}
        )
        return filename

    def withdraw(self, name: str) -> None:
        """Have a project no more."""
        del self._pages[name]

    def bytes_of(self, filename: str) -> bytes:
        return self._files[f"/files/{filename}"]

    def answer(self, path: str) -> tuple[int, str, bytes]:
        if self.broken:
            return 503, "text/plain", b"broken"
        if path in self._files:
            return 200, "application/octet-stream", self._files[path]
        name = path.removeprefix("/simple/").strip("/")
        if name in self._pages:
            page = {"meta": {"api-version": "1.1"}, "name": name, "files": self._pages[name]}
            return 200, _JSON, json.dumps(page).encode()
        return 404, "text/plain", b"no such project"


def _wheel(info: str, metadata: str, tag: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name, text in {
            f"{info}/METADATA": metadata,
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
            f"{info}/RECORD": "",
        }.items():
            wheel.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()
