"""A release is pinned whole, and its files are kept in an order in which each of them is good."""

from __future__ import annotations

import pytest

from pipeline.catalog.pins import attestation_path
from pipeline.catalog.upstream import read_pinned_release
from pipeline.errors import NothingSelectedError, TrustError
from pipeline.system.durable import FileDisk
from pipeline.upstream.evidence import EvidenceSources
from pipeline.upstream.pinning import Permissions
from pipeline.upstream.release_pin import keep_pin, pin_release, whole_release
from pipeline.upstream.selectors import parse_selector
from tests.simulators.release_server import REPOSITORY

UBUNTU = "llama-b10892-bin-ubuntu-x64.tar.gz"


class NoHasher:
    """Every file of the recorded release has a digest: nothing is to be read."""

    def sha256_of(self, url: str, *, size_bytes: int) -> str:
        raise AssertionError(f"{url} with {size_bytes} bytes was read")


class VouchesFor:
    """Takes a document for the attestation of the file whose digest it is."""

    def verify(self, bundle: bytes, *, sha256: str, repository: str) -> str:
        if bundle.decode() != sha256:
            raise TrustError("it is about another file")
        return f"the builder of {repository}"


@pytest.fixture
def choose(asker, wish):
    def run(selector: str, *, allow_partial: bool = False):
        found = parse_selector(selector)
        return whole_release(found, asker.releases(), wish(), asker.pointer, allow_partial=allow_partial)

    return run


@pytest.fixture
def make(choose, wish, tmp_path):
    def run(*bundles: bytes):
        sources = EvidenceSources(NoHasher(), VouchesFor(), None, bundles, lambda _: None)
        return pin_release(tmp_path / "llama.cpp", choose("b10892"), wish(), sources, Permissions())

    return run


class OrderedDisk(FileDisk):
    """Remembers what was written, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def replace_file(self, path, data, *, staging_dir) -> None:
        self.written.append(path.name)
        super().replace_file(path, data, staging_dir=staging_dir)


def test_a_partial_release_is_refused_unless_allowed(choose, github, pin):
    release = github.add_recorded(pin, tag="b10893", published_at="2026-09-10T01:00:00Z")
    for name in list(release.assets)[8:]:
        del release.assets[name]
    with pytest.raises(NothingSelectedError, match="b10893 is partial: it lacks"):
        choose("b10893")
    assert choose("b10893", allow_partial=True).release.tag == "b10893"


def test_a_release_that_cannot_be_compared_is_taken(choose):
    assert choose("b10892").state.complete is None


def test_nothing_is_written_before_it_is_kept_and_nothing_twice(make, tmp_path):
    made = make()
    assert (made.is_new, list(tmp_path.glob("llama.cpp/*"))) == (True, [])
    disk = OrderedDisk()
    keep_pin(made, disk)
    assert read_pinned_release(made.path) == made.pinning.release
    again = make()
    assert again.is_new is False
    keep_pin(again, disk)
    assert disk.written == ["b10892.json"]


def test_the_statements_are_kept_before_the_pin_that_needs_them(make, github):
    sha256 = github.releases["b10892"].assets[UBUNTU].sha256
    made = make(sha256.encode())
    assert made.pinning.release.asset(UBUNTU).level == "attested"
    path = attestation_path(made.path.parent, sha256)
    assert made.statements == {path: sha256.encode()}
    disk = OrderedDisk()
    keep_pin(made, disk)
    assert disk.written == [path.name, "b10892.json"]
    assert path.read_bytes() == sha256.encode()
    assert made.pinning.release.repository == REPOSITORY
