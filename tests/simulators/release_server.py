"""GitHub as far as releases go, on loopback: the API, the download urls, and the storage they lead to.

Three origins, as in reality: ``api`` (JSON, entity tags, pages, rate limits), ``web`` (asset urls that redirect), and
``storage`` (signed urls that expire; ranges, entity tags, and scripts of faults, from ``http_server``).

    with ReleaseServer() as github:
        github.add_recorded(recipes / "upstream" / "llama.cpp" / "b10892.json")   # names, sizes, digests; no bytes
        github.host("b10892", "llama-b10892-bin-ubuntu-x64.tar.gz", archive)      # from now on with these bytes
        run("upstream", "resolve", "latest", "--api", github.api)
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.simulators import http_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REPOSITORY = "ggml-org/llama.cpp"
API_PATH = "/api/v3"  # where GitHub Enterprise has it


@dataclass
class SimAsset:
    """One file of a release.

    Attributes:
        name: of the file.
        size: that the API lists.
        sha256: that the API lists as digest; None for none.
        data: its bytes; None for a file that can be listed but not downloaded.
        state: ``uploaded``, or ``starter`` while it is coming.
    """

    name: str
    size: int
    sha256: str | None
    data: bytes | None = None
    state: str = "uploaded"


@dataclass
class SimRelease:
    """One release; the listing has the newest first."""

    tag: str
    published_at: str
    prerelease: bool = True
    draft: bool = False
    assets: dict[str, SimAsset] = field(default_factory=dict)


@dataclass
class Limit:
    """How the API says that it was asked too often."""

    status: int
    headers: dict[str, str]
    times: int | None


class ReleaseServer:
    """The server; use it as a context."""

    def __init__(self, repository: str = REPOSITORY) -> None:
        self.repository = repository
        self.releases: dict[str, SimRelease] = {}
        self.attestations: dict[str, list[dict[str, Any]]] = {}
        self.api_requests: list[tuple[str, dict[str, str]]] = []
        self.api_statuses: list[int] = []
        self.downloads: list[str] = []
        self.storage = http_server.FaultyServer()
        self.redirect_api_to: str | None = None
        self._storage_faults: dict[str, list[http_server.Fault]] = {}
        self._limit: Limit | None = None
        self._servers = [_serve(self._answer_api), _serve(self._answer_web)]

    def __enter__(self) -> Self:
        self.storage.__enter__()
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self.storage.__exit__()

    @property
    def api(self) -> str:
        """Address for ENGINE_PIPELINE_GITHUB_API."""
        return f"http://127.0.0.1:{self._servers[0].server_port}{API_PATH}"

    @property
    def web(self) -> str:
        """Origin of asset urls."""
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def asset_url(self, tag: str, name: str) -> str:
        """Return the permanent url of an asset."""
        return f"{self.web}/{self.repository}/releases/download/{tag}/{name}"

    def add(
        self, tag: str, *, published_at: str, assets: Mapping[str, bytes] | None = None, **more: bool
    ) -> SimRelease:
        """Add a release, newest first by its date, with the bytes of its assets."""
        self.releases[tag] = SimRelease(tag, published_at, **more)
        for name, data in (assets or {}).items():
            self.host(tag, name, data)
        return self.releases[tag]

    def add_recorded(self, pin: Path, *, tag: str | None = None, published_at: str | None = None) -> SimRelease:
        """Add the release of a pin file: real names, sizes and digests, nothing to download.

        With ``tag`` it is another release with files named alike, whose digests are made up.
        """
        document = json.loads(pin.read_text())
        old, new = document["tag"], tag or document["tag"]
        release = self.add(new, published_at=published_at or document["published_at"])
        for asset in document["assets"]:
            name = asset["name"].replace(old, new)
            sha256 = asset["sha256"] if name == asset["name"] else hashlib.sha256(name.encode()).hexdigest()
            release.assets[name] = SimAsset(name, asset["size_bytes"], sha256)
        return release

    def add_version(self, version: str, build: str, *, published_at: str) -> SimRelease:
        """Add a semver release, whose only asset points to a build."""
        assets = {"nightly-tag.txt": f"{build}\n".encode()}
        return self.add(version, published_at=published_at, assets=assets, prerelease=False)

    def host(self, tag: str, name: str, data: bytes, *, digest: bool = True) -> SimAsset:
        """Put real bytes behind an asset, new or listed; its size and digest become theirs."""
        sha256 = hashlib.sha256(data).hexdigest() if digest else None
        asset = SimAsset(name, len(data), sha256, data)
        self.releases[tag].assets[name] = asset
        return asset

    def attest(self, sha256: str, *bundles: dict[str, Any]) -> None:
        """Let the attestations API answer for a digest."""
        self.attestations[sha256] = list(bundles)

    def limit_rate(self, *, status: int = 403, times: int | None = None, **headers: str | int) -> None:
        """Answer the next API requests (all, or ``times``) with a limit; header names with underscores."""
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        self._limit = Limit(status, named, times)

    def use_up_rate(self, *, seconds: int) -> None:
        """Let the hourly limit be used up for so long."""
        self.limit_rate(x_ratelimit_limit=60, x_ratelimit_remaining=0, x_ratelimit_reset=int(time.time()) + seconds)

    def lift_limit(self) -> None:
        self._limit = None

    def break_storage(self, name: str, *faults: http_server.Fault) -> None:
        """Script the storage's next answers for an asset; each signed url takes the script where it was left."""
        self._storage_faults[name] = list(faults)

    def expire_links(self) -> None:
        """Let every signed url so far be refused; asking the permanent one again gives a new one."""
        for resource in self.storage.resources.values():
            resource.faults[:] = [http_server.status(403, body=b"AuthenticationFailed")] * 1000

    def _answer_api(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.api_requests.append((handler.path, headers))
        if self.redirect_api_to:
            self._reply(handler, 302, b"", {"Location": self.redirect_api_to + handler.path})
            return
        if self._limit is not None and self._limit.times != 0:
            self._limit.times = None if self._limit.times is None else self._limit.times - 1
            self._reply(handler, self._limit.status, b'{"message": "API rate limit exceeded"}', self._limit.headers)
            return
        found = self._document(urlsplit(handler.path))
        if found is None:
            self._reply(handler, 404, b'{"message": "Not Found"}')
            return
        document, links = found
        body = json.dumps(document, ensure_ascii=False).encode()
        tag = f'W/"{hashlib.sha256(body).hexdigest()}"'
        link = {"Link": links} if links else {}
        if headers.get("if-none-match") == tag:
            self._reply(handler, 304, b"", {"ETag": tag, **link})
        else:
            self._reply(handler, 200, body, {"ETag": tag, "Content-Type": "application/json; charset=utf-8", **link})

    def _document(self, parts: Any) -> tuple[object, str] | None:
        prefix = f"{API_PATH}/repos/{self.repository}"
        if not parts.path.startswith(prefix):
            return None
        rest = parts.path.removeprefix(prefix)
        ordered = sorted(self.releases.values(), key=lambda release: release.published_at, reverse=True)
        if rest == "/releases":
            return self._page(ordered, parse_qs(parts.query))
        if match := re.fullmatch(r"/releases/tags/([^/]+)", rest):
            release = self.releases.get(match[1])
            return (self._release(release), "") if release else None
        if rest == "/releases/latest":
            full = [release for release in ordered if not release.prerelease and not release.draft]
            return (self._release(full[0]), "") if full else None
        if match := re.fullmatch(r"/attestations/sha256:([0-9a-f]{64})", rest):
            bundles = self.attestations.get(match[1])
            return ({"attestations": bundles}, "") if bundles else None
        return None

    def _page(self, ordered: list[SimRelease], query: Mapping[str, list[str]]) -> tuple[object, str]:
        size, number = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
        last = max(1, -(-len(ordered) // size))
        url = f"{self.api}/repos/{self.repository}/releases?per_page={size}&page="
        links = [f'<{url}{last}>; rel="last"', f'<{url}1>; rel="first"']
        if number < last:
            links.insert(0, f'<{url}{number + 1}>; rel="next"')
        if number > 1:
            links.insert(0, f'<{url}{number - 1}>; rel="prev"')
        rows = ordered[(number - 1) * size : number * size]
        return [self._release(release) for release in rows], ", ".join(links) if last > 1 else ""

    def _release(self, release: SimRelease) -> dict[str, Any]:
        """Return a release as GitHub shows it, the fields that nobody reads included."""
        page = f"{self.web}/{self.repository}/releases/tag/{release.tag}"
        return {
            "url": f"{self.api}/repos/{self.repository}/releases/{_number(release.tag)}",
            "html_url": page,
            "id": _number(release.tag),
            "author": {"login": "github-actions[bot]", "id": 41898282, "type": "Bot", "site_admin": False},
            "node_id": f"RE_{_number(release.tag)}",
            "tag_name": release.tag,
            "target_commitish": "0123456789abcdef0123456789abcdef01234567",
            "name": release.tag,
            "draft": release.draft,
            "immutable": False,
            "prerelease": release.prerelease,
            "created_at": release.published_at,
            "published_at": None if release.draft else release.published_at,
            "assets": [self._asset(release, asset) for asset in release.assets.values()],
            "tarball_url": f"{self.api}/tarball/{release.tag}",
            "body": f"<details open>\r\n\r\nserver : fix \U0001f999 (#1)\r\n\r\n</details>\r\n\r\n[here]({page})",
            "reactions": {"total_count": 1, "+1": 1, "-1": 0},
        }

    def _asset(self, release: SimRelease, asset: SimAsset) -> dict[str, Any]:
        return {
            "url": f"{self.api}/repos/{self.repository}/releases/assets/{_number(asset.name)}",
            "id": _number(asset.name),
            "name": asset.name,
            "label": "",
            "uploader": {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"},
            "content_type": "application/octet-stream",
            "state": asset.state,
            "size": asset.size,
            "digest": f"sha256:{asset.sha256}" if asset.sha256 else None,
            "download_count": 7,
            "created_at": release.published_at,
            "updated_at": release.published_at,
            "browser_download_url": self.asset_url(release.tag, asset.name),
        }

    def _answer_web(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        match = re.fullmatch(rf"/{re.escape(self.repository)}/releases/download/([^/]+)/([^/?]+)", handler.path)
        release = self.releases.get(match[1]) if match else None
        asset = release.assets.get(match[2]) if release and match else None
        if asset is None or asset.data is None or asset.state != "uploaded":
            self._reply(handler, 404, b"Not Found")
            return
        self.downloads.append(asset.name)
        # Signed urls break when they are tidied up: the escapes must arrive as they are.
        signature = f"sig={secrets.token_hex(8)}%2Fx%3D&rscd=attachment%3B+filename%3D{asset.name}"
        path = f"/{asset.sha256 or asset.name}?{signature}"
        location = self.storage.host(path, asset.data)
        self.storage.resources[path].faults = self._storage_faults.get(asset.name, [])
        self._reply(handler, 302, b"", {"Location": location})

    def _reply(
        self,
        handler: http.server.BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if handler.server is self._servers[0]:
            self.api_statuses.append(status)
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            if not (status == 304 and name == "Content-Length"):
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)


def _serve(answer: Any) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing: clients hang up on purpose."""

    return Server(("127.0.0.1", 0), Handler)


def _number(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
