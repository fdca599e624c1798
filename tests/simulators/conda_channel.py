"""A conda channel on loopback: repodata.json of each subdir and the packages, well or ill.

with CondaChannel(folder) as channel:             # a folder that conda_packages.write_channel wrote
    channel.lack("tzdata-2026a-0.conda")          # 404 from now on
    channel.spoil("python-3.11.7-0_cpython.conda")  # as long as it was, with other bytes
    channel.go_down()                             # 503 for everything
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from tests.simulators import http_server

if TYPE_CHECKING:
    from pathlib import Path

BASE = "/conda-forge"


class _Always(list):
    """A script of faults that has no end."""

    def pop(self, index: int = -1) -> http_server.Fault:
        return self[index]


class CondaChannel:
    """The server; use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.server = http_server.FaultyServer()
        self._whole: dict[str, bytes] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self._host(path.relative_to(folder).as_posix(), path.read_bytes())

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    @property
    def url(self) -> str:
        """Base of the channel, without a slash at the end."""
        return self.server.url(BASE)

    def records(self, subdir: str) -> dict[str, dict]:
        """Return file name to record, as the channel's repodata has them."""
        return json.loads(self._whole[f"{subdir}/repodata.json"])["packages.conda"]

    def asked(self) -> dict[str, int]:
        """Return how often each package was asked for."""
        found = {path.rsplit("/", 1)[1]: len(resource.requests) for path, resource in self.server.resources.items()}
        return {name: count for name, count in found.items() if name.endswith(".conda") and count}

    def go_down(self) -> None:
        """Answer everything with 503."""
        for resource in self.server.resources.values():
            resource.faults = _Always([http_server.status(503)])

    def be_slow(self, seconds_each: float, piece: int = 1 << 20) -> None:
        """Wait after each piece."""
        for resource in self.server.resources.values():
            resource.faults = _Always([http_server.drip(seconds_each, piece)])

    def lack(self, filename: str) -> None:
        """Answer 404 for one package."""
        del self.server.resources[self._path(filename)]

    def spoil(self, filename: str) -> None:
        """Serve other bytes, as many as there were."""
        resource = self.server.resources[self._path(filename)]
        half = len(resource.data) // 2
        spoiled = resource.data[:half] + bytes([resource.data[half] ^ 0xFF]) + resource.data[half + 1 :]
        resource.data, resource.tag = spoiled, '"spoiled"'

    def recover(self) -> None:
        """Serve everything as it was."""
        for inner, data in self._whole.items():
            self._host(inner, data)

    def _path(self, filename: str) -> str:
        return next(path for path in self.server.resources if path.endswith(f"/{filename}"))

    def _host(self, inner: str, data: bytes) -> None:
        self._whole[inner] = data
        self.server.host(f"{BASE}/{inner}", data)
