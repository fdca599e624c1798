"""A loopback GitHub with the real release b10892, and what asks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalog.upstream import read_preferences
from pipeline.system.durable import FileDisk
from pipeline.system.http_client import HttpClient
from pipeline.system.release_api import CachedReleaseApi
from pipeline.system.small_documents import SmallDocuments
from pipeline.system.transfer_policy import TransferPolicy
from pipeline.upstream.listing import ReleaseList
from pipeline.upstream.resolve import Wish
from tests.simulators.hand_clock import HandClock
from tests.simulators.release_server import REPOSITORY, ReleaseServer

POLICY = TransferPolicy(tries=2, backoff_seconds=0.005, read_timeout_seconds=5.0, retry_after_limit_seconds=60.0)
# 2026-09-10T12:00:00Z, fourteen hours after b10892 was published
NOON = 1_789_041_600


class Asker:
    """Everything that asks the loopback GitHub, over one cache."""

    def __init__(self, github: ReleaseServer, folder: Path) -> None:
        self.github = github
        self.folder = folder
        self.clock = HandClock(NOON)
        self.offline = False
        self.token: str | None = None

    def documents(self) -> SmallDocuments:
        return SmallDocuments(HttpClient(POLICY), offline=self.offline, clock=self.clock, policy=POLICY)

    def api(self, address: str | None = None) -> CachedReleaseApi:
        return CachedReleaseApi(
            self.documents(),
            FileDisk(),
            self.clock,
            api=address or self.github.api,
            token=self.token,
            cache_dir=self.folder,
            offline=self.offline,
        )

    def releases(self) -> ReleaseList:
        return ReleaseList(self.api(), REPOSITORY)

    def pointer(self, url: str) -> bytes | None:
        document = self.documents().get(url, limit_bytes=64)
        return document.body if document else None


@pytest.fixture
def pin(recipes_dir) -> Path:
    return recipes_dir / "upstream" / "llama.cpp" / "b10892.json"


@pytest.fixture
def github(pin):
    with ReleaseServer() as server:
        server.add_recorded(pin)
        yield server


@pytest.fixture
def asker(github, tmp_path) -> Asker:
    return Asker(github, tmp_path / "api")


@pytest.fixture(scope="session")
def preferences(recipes_dir):
    return read_preferences(recipes_dir / "upstream", "llama.cpp")


@pytest.fixture(scope="session")
def parts(catalog):
    return catalog.archive_parts("llama.cpp")


@pytest.fixture
def wish(preferences, parts):
    def make(*targets: str, min_age_days: float = 0.0) -> Wish:
        return Wish(targets, min_age_days, NOON, preferences, parts)

    return make
