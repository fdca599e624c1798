"""Fixtures of the conformance tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ci.conformance.tuf_client import main
from tests.simulators.hand_clock import HandClock
from tests.simulators.tuf_repository import TufRepository


@dataclass
class TufClient:
    """`ci/tuf_client` in this process, with folders of its own and a clock that is moved by hand.

    Attributes:
        repository: that it asks.
        url: of the repository.
        folder: everything that it keeps lies below it.
        clock: that it believes.
    """

    repository: TufRepository
    url: str
    folder: Path
    clock: HandClock = field(default_factory=HandClock)

    @property
    def metadata_dir(self) -> Path:
        return self.folder / "metadata"

    @property
    def target_dir(self) -> Path:
        return self.folder / "targets"

    def init(self, root: bytes | None = None) -> int:
        path = self.folder / "initial.json"
        path.write_bytes(self.repository.trusted_root if root is None else root)
        return self._run("init", str(path))

    def refresh(self) -> int:
        return self._run("--metadata-url", f"{self.url}/metadata/", "refresh")

    def download(self, *names: str) -> int:
        places = ("--metadata-url", f"{self.url}/metadata", "--target-base-url", f"{self.url}/targets/")
        named = [part for name in names for part in ("--target-name", name)]
        return self._run(*places, "--target-dir", str(self.target_dir), *named, "download")

    def trusted(self) -> dict[str, int]:
        """Return the version of each role whose metadata is trusted, by the name of its file."""
        files = {path.stem: json.loads(path.read_text()) for path in self.metadata_dir.glob("*.json")}
        return {name: document["signed"]["version"] for name, document in files.items()}

    def files(self) -> set[bytes]:
        """Return what was downloaded."""
        if not self.target_dir.exists():
            return set()
        return {path.read_bytes() for path in self.target_dir.rglob("*") if path.is_file()}

    def _run(self, *arguments: str) -> int:
        return main(("--metadata-dir", str(self.metadata_dir), *arguments), clock=self.clock)


@pytest.fixture
def repository() -> TufRepository:
    return TufRepository()


@pytest.fixture
def client(repository: TufRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TufClient]:
    """A client that was initialised with the repository's first root."""
    monkeypatch.chdir(tmp_path)  # a project file of the caller's does not count
    with repository.serving() as url:
        made = TufClient(repository, url, tmp_path, HandClock(repository.now.timestamp()))
        assert made.init() == 0
        yield made
