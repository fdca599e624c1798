"""What a mirror's server answers: files that are for others, with strong tags and byte ranges.

A blob's tag is its digest; it never changes, so it may be kept for ever. Metadata and lists are read whole, so that a
client never gets the beginning of one version and the end of the next, and are asked for again each time.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from pipeline.digest import CHUNK_BYTES, sha256_bytes
from pipeline.model.mirror_paths import OPEN_FOLDERS, is_public, sha256_of_blob

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

_FOR_EVER = "public, max-age=31536000, immutable"  # RFC 8246
_ASK_AGAIN = "no-cache"
_LONGEST_DOCUMENT_BYTES = 64 << 20
_TYPES = {".json": "application/json", ".txt": "text/plain; charset=utf-8"}
_BINARY = "application/octet-stream"


class _Streamed(FileResponse):
    chunk_size = CHUNK_BYTES  # 64 KiB, starlette's own, costs a hop to a thread for each


def mirror_answers(folder: Path) -> ASGIApp:
    """Return the ASGI application that serves a mirror's folder."""
    root = folder.resolve()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method not in {"GET", "HEAD"}:
            response: Response = PlainTextResponse("only GET and HEAD\n", 405, headers={"allow": "GET, HEAD"})
        else:
            response = await anyio.to_thread.run_sync(_respond, root, request)
        response.headers["x-content-type-options"] = "nosniff"
        await response(scope, receive, send)

    return answer


def _respond(root: Path, request: Request) -> Response:
    path = request.scope["path"].removeprefix("/")
    try:
        place = _inside(root, path)
        status = None if place is None else place.stat()
        if place is None or status is None or not stat.S_ISREG(status.st_mode):
            return PlainTextResponse("not found\n", 404)
        if sha256_of_blob(path) is None and path.partition("/")[0] not in OPEN_FOLDERS:
            return _document(place, path, request)
        return _file(place, path, status, request)
    except OSError:
        return PlainTextResponse("not found\n", 404)  # it was removed a moment ago, or may not be read


def _inside(root: Path, path: str) -> Path | None:
    """Return the file that a path names, None when it is not for others or a link leads out of the mirror."""
    if not is_public(path):
        return None
    place = (root / path).resolve()
    return place if place.is_relative_to(root) else None


def _document(place: Path, path: str, request: Request) -> Response:
    with place.open("rb") as stream:
        data = stream.read(_LONGEST_DOCUMENT_BYTES + 1)
    if len(data) > _LONGEST_DOCUMENT_BYTES:
        return PlainTextResponse("longer than any document of a mirror\n", 404)
    headers = {"etag": f'"{sha256_bytes(data)}"', "cache-control": _ASK_AGAIN}
    if _is_known(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=_TYPES.get(os.path.splitext(path)[1], _BINARY))  # noqa: PTH122


def _file(place: Path, path: str, status: os.stat_result, request: Request) -> Response:
    sha256 = sha256_of_blob(path)
    # Other files are replaced by a rename, so another content is another inode or another time.
    tag = f'"{sha256 or f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"}"'
    headers = {"etag": tag, "cache-control": _FOR_EVER if sha256 else _ASK_AGAIN}
    if _is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return _Streamed(place, headers=headers, media_type=_BINARY, stat_result=status)


def _is_known(request: Request, tag: str) -> bool:
    """Tell whether If-None-Match names the tag (RFC 9110, 13.1.2: compared weakly)."""
    named = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return tag in named or named == ["*"]
