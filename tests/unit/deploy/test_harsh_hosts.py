"""Full disks, read-only disks and several processes at once."""

from __future__ import annotations

import os
import subprocess
import traceback

import pytest

from pipeline.deploy.generations import list_generations
from pipeline.deploy.layout import Layout
from pipeline.deploy.removal import gc
from pipeline.deploy.verify import verify
from pipeline.errors import HostError, NoSpaceError
from tests.simulators.engine_world import FixedHost, LayerFiles, World
from tests.simulators.mounts import MOUNT, mounted


def test_a_disk_that_fills_up_keeps_what_runs(world: World):
    small = LayerFiles("core", {"bin/llama-server": b"core b1"})
    large = LayerFiles("core", {"bin/llama-server": b"core b2", "lib/large": os.urandom(3 << 20)})
    world.build("b1", (small,))
    world.build("b2", (large,))
    world.publish()
    with mounted(world.folder / "small", "-t", "tmpfs", "-o", "size=4m", "tmpfs") as disk:
        root = disk / "root"
        plenty = FixedHost(free=1 << 40)  # so that the disk itself says no, in mid-write
        before = world.install(root=root, version="b1", services=world.services(root, host=plenty))
        with pytest.raises(NoSpaceError):
            world.install(root=root, services=world.services(root, host=plenty))
        assert world.run(before) == b"core b1"
        assert list(Layout(root).staging_dir.iterdir()) == []
        assert [(g.version, g.current) for g in list_generations(root)] == [("b1", True)]
        gc(root, services=world.services(root), disk=world.disk)
        assert verify(root, world.services(world.folder / "verifier"), disk=world.disk).ok


def test_a_disk_that_is_read_only_is_said_so(published: World):
    inside = published.folder / "inside"
    inside.mkdir()
    services = published.services(published.folder / "elsewhere")
    with mounted(published.folder / "locked", "--bind", str(inside)) as disk:
        subprocess.run([MOUNT, "-o", "remount,ro,bind", disk], check=True)
        with pytest.raises(HostError, match="locked") as caught:
            published.install(root=disk / "root", services=services)
        assert caught.value.exit_code == 5
    assert list(inside.iterdir()) == []


def test_an_update_on_a_disk_that_became_read_only_changes_nothing(published: World):
    inside = published.folder / "inside"
    inside.mkdir()
    published.install(root=inside / "root")
    published.build("b2")
    published.publish()
    services = published.services(published.folder / "elsewhere")
    with mounted(published.folder / "locked", "--bind", str(inside)) as disk:
        subprocess.run([MOUNT, "-o", "remount,ro,bind", disk], check=True)
        with pytest.raises(HostError):
            published.install(root=disk / "root", services=services)
    assert [(g.version, g.current) for g in list_generations(inside / "root")] == [("b1", True)]


def test_several_installers_and_collectors_at_once(published: World):
    """Four processes install and two collect; all succeed, one generation comes of it."""
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if number < 4:
                    published.install()
                else:
                    while not (published.root / "format.json").exists():
                        os.sched_yield()
                    gc(published.root, services=published.services(), disk=published.disk)
                code = 0
            except BaseException:
                os.write(2, traceback.format_exc().encode())
                raise
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
    assert [(g.number, g.version, g.current) for g in list_generations(published.root)] == [(1, "b1", True)]
    assert verify(published.root, published.services(), disk=published.disk).ok
