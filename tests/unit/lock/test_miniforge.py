"""Installers of Miniforge are pinned from their release: its digests, the sizes of its files."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.app.services import disk
from pipeline.catalog.lock_files import LockError
from pipeline.catalog.miniforge import MINIFORGE, RELEASES, read_miniforge
from pipeline.errors import IntegrityError, NetworkError, NothingSelectedError, OfflineError, UsageError
from pipeline.lock import stale
from pipeline.lock.miniforge import pin_miniforge, pin_problems
from pipeline.names import miniforge_file
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.transfer_policy import TransferPolicy
from tests.simulators import http_server as sim
from tests.simulators import miniforge
from tests.simulators.engine_world import Recorder, services_for
from tests.simulators.lock_world import PLATFORMS

FILES = {miniforge_file(miniforge.VERSION, platform): platform.encode() * 100 for platform in PLATFORMS}
LINUX = miniforge_file(miniforge.VERSION, "linux-x86_64")


@pytest.fixture
def server():
    with sim.FaultyServer() as running:
        yield running


@pytest.fixture
def pin(tmp_path, world, server):
    """Return what pins in the world's environment, at a release on loopback."""
    base = services_for(tmp_path)

    def pin(version=miniforge.VERSION, *, place=None, offline=False, dry_run=False):
        downloader = HttpDownloader(
            base.store, offline=offline, events=Recorder(), clock=SystemClock(), policy=TransferPolicy(tries=1)
        )
        where = place or server.host("/releases/x", b"").removesuffix("/x")
        services = dataclasses.replace(base, downloader=downloader, offline=offline, channels={RELEASES: where})
        return pin_miniforge(world.folder, version, services, disk=disk(), dry_run=dry_run)

    return pin


def test_each_platform_is_pinned_as_its_release_says(pin, world, server):
    miniforge.host_release(server, FILES)
    outcome = pin()
    assert outcome.files == (MINIFORGE,)
    for platform in PLATFORMS:
        name = miniforge_file(miniforge.VERSION, platform)
        expected = miniforge.pinned(FILES[name], name)
        assert read_miniforge(world.folder, platform) == outcome.installers[platform] == expected
    assert "127.0.0.1" not in (world.folder / MINIFORGE).read_text(), "where it was read is not where it is published"
    assert pin().files == ()


def test_a_dry_run_writes_nothing(pin, world, server):
    miniforge.host_release(server, FILES)
    outcome = pin(dry_run=True)
    assert (outcome.files, outcome.dry_run) == ((MINIFORGE,), True)
    assert not (world.folder / MINIFORGE).exists()


def test_an_installer_that_is_not_what_its_release_says_is_not_pinned(pin, world, server):
    miniforge.host_release(server, FILES)
    server.host(f"/releases/{miniforge.VERSION}/{LINUX}", b"other bytes")
    with pytest.raises(IntegrityError, match="Linux-x86_64"):
        pin()
    assert not (world.folder / MINIFORGE).exists()


def test_a_server_that_sends_no_end_of_an_installer_is_cut_off(pin, world, server, monkeypatch):
    monkeypatch.setattr("pipeline.lock.miniforge.INSTALLER_LIMIT_BYTES", 1000)  # half a gigabyte takes a while
    miniforge.host_release(server, FILES)
    server.host(f"/releases/{miniforge.VERSION}/{LINUX}", b"", sim.endless())
    with pytest.raises(IntegrityError, match="more than 1000 bytes"):
        pin()
    assert not (world.folder / MINIFORGE).exists()


SAID = f"{'0' * 64}  ./{LINUX}\n".encode()


@pytest.mark.parametrize(
    "said",
    [b"", b"not found\n", b"0" * 64 + b"  ./other.sh\n", b"\xff" * 70, SAID * 2, SAID + b"x\n", b"0  ./x\n" + SAID],
)
def test_a_digest_file_that_says_something_else_is_refused(pin, world, server, said):
    miniforge.host_release(server, FILES, said={LINUX: said})
    with pytest.raises(IntegrityError, match="does not say the digest"):
        pin()
    assert not (world.folder / MINIFORGE).exists()


def test_a_release_that_is_not_there_is_named(pin, world):
    with pytest.raises(NothingSelectedError, match=f"{miniforge.VERSION}.*sha256"):
        pin()


@pytest.mark.parametrize("version", ["latest", "", "26", "../26.3.0-1", "26.3.0-1\n", "v26.3.0-1"])
def test_what_is_no_version_is_a_usage_error(pin, version):
    with pytest.raises(UsageError, match="is no version of Miniforge"):
        pin(version)


def test_where_releases_cannot_be_reached_nothing_is_pinned(pin, world):
    with pytest.raises(NetworkError):
        pin(place="http://127.0.0.1:9/releases")
    with pytest.raises(OfflineError):
        pin(offline=True)
    assert not (world.folder / MINIFORGE).exists()


def test_a_platform_without_a_shell_is_refused(pin, world):
    world.edit("environment.yml", "linux-64]", "win-64]")
    with pytest.raises(LockError, match="windows-x86_64"):
        pin()


def test_a_platform_that_is_asked_for_and_not_pinned_is_a_problem_of_the_pin_and_not_of_the_lock(pin, locked, server):
    assert pin_problems(locked.folder, PLATFORMS) == ()
    miniforge.host_release(server, FILES)
    pin()
    assert pin_problems(locked.folder, PLATFORMS) == ()
    locked.edit(MINIFORGE, "[installers.linux-x86_64]", "[installers.linux-arm64]")
    missing = f"{locked.folder / MINIFORGE}: installers.linux-x86_64: is missing"
    assert pin_problems(locked.folder, PLATFORMS) == (missing,)
    assert stale(locked.folder, PLATFORMS) == ()
