"""A sync may die before any change of the file system, meet a full disk, or another sync: what is there then."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.deploy.mirror.signed_chain import read_chain
from pipeline.digest import sha256_bytes
from pipeline.errors import HostError, NoSpaceError
from pipeline.system.clock import SystemClock
from tests.simulators.crash_points import in_memory
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import FixedHost, LayerFiles, World
from tests.simulators.hand_clock import HandClock
from tests.simulators.mirrors import held, mirror_services, mirrored, private, sealed
from tests.simulators.mounts import MOUNT, mounted

BACKEND = LayerFiles("cpu", {"lib/cpu.so": b"cpu"})
COMPLETE = {"completed.json", "root.json"}


@pytest.fixture
def small() -> Iterator[World]:
    """A repository with one tiny version, under a clock that stands: ``mirror.json`` has a time."""
    with in_memory() as folder:
        world = World(folder, clock=HandClock(SystemClock().now_seconds()))
        publish(world, "b1")
        yield world


def publish(world: World, version: str) -> None:
    world.build(version, (LayerFiles("core", {"bin/llama-server": f"core {version}".encode()}), BACKEND))
    world.publish()


def sync(world: World, mirror: Path) -> None:
    services = mirror_services(world, mirror)
    with closing(services.store):
        mirrored(world, mirror, services=services)


def blobs(mirror: Path) -> set[str]:
    found = {path.name: path.read_bytes() for path in (mirror / "blobs").glob("*/*")}
    assert all(sha256_bytes(data) == name for name, data in found.items()), "no blob is ever half there"
    return set(found)


def state(mirror: Path) -> int:
    """Return the version of the snapshot that a reader finds, 0 where there is no timestamp yet."""
    if not (mirror / "metadata/timestamp.json").is_file():
        return 0
    return read_chain(mirror, "metadata").versions["snapshot"]


@pytest.mark.parametrize("start", ["nothing", "old"])
def test_a_sync_that_dies_anywhere_leaves_the_old_state_or_the_new_one(small, start):
    template, goal, mirror = (small.folder / name for name in ("template", "goal", "mirror"))
    before: set[str] = set()
    if start == "old":
        sync(small, template)
        before = blobs(template)
        shutil.copytree(template, goal)
        publish(small, "b2")
    sync(small, goal)
    wanted, after, newest = held(goal), blobs(goal), state(goal)
    seen = set()
    for number in range(1, 2000):
        shutil.rmtree(mirror, ignore_errors=True)
        if start == "old":
            shutil.copytree(template, mirror)
        died = dies_before(number, lambda: sync(small, mirror))
        found = state(mirror)
        seen.add(found)
        assert found in {newest, newest - 1}, number
        assert (after if found == newest else before) <= blobs(mirror), number
        sync(small, mirror)
        assert held(mirror) == wanted, number
        assert private(mirror) == COMPLETE, number
        if not died:
            break
    assert number > 40
    assert seen == {newest, newest - 1}


def test_a_seal_that_dies_anywhere_leaves_no_lane_or_a_whole_one(small):
    template, mirror = small.folder / "template", small.folder / "mirror"
    sync(small, template)
    shutil.copytree(template, mirror)
    sealed(small, mirror)  # makes the keys
    for number in range(1, 2000):
        shutil.rmtree(mirror)
        shutil.copytree(template, mirror)
        died = dies_before(number, lambda: sealed(small, mirror))
        if (mirror / "lanes/airgap/metadata/timestamp.json").is_file():
            assert set(read_chain(mirror, "lanes/airgap/metadata").targets) <= blobs(mirror), number
        sealed(small, mirror)
        sync(small, mirror)
        assert set(read_chain(mirror, "lanes/airgap/metadata").targets) <= blobs(mirror), number
        assert private(mirror) == COMPLETE, number
        if not died:
            break
    assert number > 10


def test_a_disk_that_fills_up_keeps_the_mirror_and_what_came(small):
    noise = b"".join(bytes.fromhex(sha256_bytes(b"%d" % number)) for number in range(64_000))
    plenty = FixedHost(free=1 << 40)  # so that the disk itself says no, in mid-write
    with mounted(small.folder / "disk", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
        mirror = disk / "mirror"
        mirrored(small, mirror, services=mirror_services(small, mirror, host=plenty))
        before = held(mirror)
        small.build("b2", (LayerFiles("core", {"bin/llama-server": b"core b2", "lib/large": noise}), BACKEND))
        small.publish()
        with pytest.raises(NoSpaceError, match="needs"):
            mirrored(small, mirror)  # seen before anything is brought
        with pytest.raises(NoSpaceError):
            mirrored(small, mirror, services=mirror_services(small, mirror, host=plenty))
        assert held(mirror) == before
        subprocess.run([MOUNT, "-o", "remount,size=64m", disk], check=True)
        mirrored(small, mirror)
        assert held(mirror) != before
        assert private(mirror) == COMPLETE


def test_a_mirror_that_became_read_only_is_said_so_and_stays(small):
    inside = small.folder / "inside"
    sync(small, inside)
    before = held(inside)
    publish(small, "b2")
    services = mirror_services(small, small.folder / "elsewhere")
    with mounted(small.folder / "locked", "--bind", str(inside)) as mirror:
        subprocess.run([MOUNT, "-o", "remount,ro,bind", mirror], check=True)
        with pytest.raises(HostError) as caught:
            mirrored(small, mirror, services=services)
        assert caught.value.exit_code == 5
    assert held(inside) == before


def test_two_syncs_at_once_end_with_one_whole_mirror(small):
    publish(small, "b2")
    mirror, goal = small.folder / "mirror", small.folder / "goal"
    sync(small, goal)
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=sync, args=(small, mirror)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert held(mirror) == held(goal)
    assert private(mirror) == COMPLETE
