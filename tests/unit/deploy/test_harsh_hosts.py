"""Full disks, read-only disks, several processes at once, and processes that stop in the middle."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, use
from pipeline.deploy.health import HealthWish
from pipeline.deploy.layout import Layout
from pipeline.deploy.quick_switch import quick_switch
from pipeline.deploy.removal import gc
from pipeline.deploy.switching import Switching
from pipeline.deploy.verify import verify
from pipeline.errors import HostError, NoSpaceError
from pipeline.system.durable import FileDisk
from tests.simulators.checked_engine import engine, health
from tests.simulators.engine_world import CPU, FixedHost, LayerFiles, World
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


UNCHECKED = Switching(HealthWish("none"))
PLENTY = FixedHost(free=1 << 40)


def fill(folder: Path, *, leave_bytes: int) -> Path:
    """Fill a small disk up to some bytes; return the file to remove for space."""
    path = folder / "filler"
    free = os.statvfs(folder)
    size = max(0, free.f_bavail * free.f_frsize - leave_bytes)
    with path.open("wb") as stream:
        stream.write(b"x" * size)
    return path


def test_a_disk_that_fills_up_at_any_moment_keeps_what_runs_and_goes_on_when_there_is_space(world: World):
    world.build("b1", (engine("b1"), CPU), health=health("b1"))
    world.publish()
    refused = 0
    with mounted(world.folder / "small", "-t", "tmpfs", "-o", "size=2m", "tmpfs") as disk:
        root = disk / "root"
        world.install(root=root, services=world.services(root, host=PLENTY))
        for number, leave_bytes in enumerate(range(0, 160 << 10, 8 << 10), 2):
            version = f"b{number}"
            world.build(version, (engine(version), CPU), health=health(version))
            world.publish()
            filler = fill(disk, leave_bytes=leave_bytes)
            try:
                world.install(root=root, services=world.services(root, host=PLENTY), keep=2)
            except NoSpaceError:
                refused += 1
                assert [g.version for g in list_generations(root) if g.current] == [f"b{number - 1}"]
            filler.unlink()
            outcome = world.install(root=root, services=world.services(root, host=PLENTY), keep=2)
            assert outcome.version == version
            gc(root, services=world.services(root), disk=world.disk, keep=2)
            assert verify(root, world.services(world.folder / "verifier"), disk=world.disk).ok
    assert refused > 3


@pytest.mark.parametrize("how", [UNCHECKED, UNCHECKED._replace(pin=True), Switching()])
def test_a_switch_on_a_full_disk_is_refused_or_done(world: World, how: Switching):
    for version in ("b1", "b2"):
        world.build(version, (engine(version), CPU), health=health(version))
    world.publish()
    with mounted(world.folder / "small", "-t", "tmpfs", "-o", "size=2m", "tmpfs") as disk:
        root = disk / "root"
        for version in ("b1", "b2"):
            world.install(root=root, version=version, services=world.services(root, host=PLENTY))
        filler = fill(disk, leave_bytes=0)
        elsewhere = world.services(world.folder / "elsewhere")
        with pytest.raises(NoSpaceError):
            use(root, "b1", services=elsewhere, disk=world.disk, how=how)
        assert [g.version for g in list_generations(root) if g.current] == ["b2"]
        filler.unlink()
        assert use(root, "b1", services=elsewhere, disk=world.disk, how=how).version == "b1"


@pytest.fixture
def locked(world: World):
    """A root with b1 and b2 on a disk that became read-only."""
    inside = world.folder / "inside"
    inside.mkdir()
    for version in ("b1", "b2"):
        world.build(version, (engine(version), CPU), health=health(version))
    world.publish()
    for version in ("b1", "b2"):
        world.install(root=inside / "root", version=version)
    with mounted(world.folder / "locked", "--bind", str(inside)) as disk:
        subprocess.run([MOUNT, "-o", "remount,ro,bind", disk], check=True)
        yield disk / "root"


CHANGES: dict[str, Callable[[World, Path, object], object]] = {
    "use": lambda world, root, services: use(root, "b1", services=services, disk=world.disk, how=UNCHECKED),
    "use --pin": lambda world, root, services: use(
        root, "b1", services=services, disk=world.disk, how=UNCHECKED._replace(pin=True)
    ),
    "use with a check": lambda world, root, services: use(root, "b1", services=services, disk=world.disk),
    "rollback": lambda world, root, services: rollback(root, services=services, disk=world.disk, how=UNCHECKED),
    "gc": lambda world, root, services: gc(root, services=services, disk=world.disk, keep=2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_on_a_read_only_disk_nothing_changes_and_that_is_said(world: World, locked: Path, change: str):
    services = world.services(world.folder / "elsewhere")
    with pytest.raises(HostError) as caught:
        CHANGES[change](world, locked, services)
    assert caught.value.exit_code == 5
    assert quick_switch(locked, "b1", how=UNCHECKED, services=lambda: services, disk=world.disk, jobs=1) is None
    assert [(g.version, g.current) for g in list_generations(locked)] == [("b2", True), ("b1", False)]
    assert verify(locked, services, disk=world.disk).ok


HOLDER = """
import sys, time
from pathlib import Path
from pipeline.system.durable import FileDisk
with FileDisk().lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(published: World):
    """A process that holds an installation."""
    published.install()
    path = published.root / "locks/root.lock"
    project = Path(__file__).resolve().parents[3]
    argv = [sys.executable, "-c", HOLDER, str(path)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(project)})
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


class Waiting:
    """An installation of a new version in a thread of its own, and what it has to tell."""

    def __init__(self, world: World) -> None:
        self.services = world.services()
        self.outcomes: list[object] = []
        self._thread = threading.Thread(target=lambda: self.outcomes.append(world.install(services=self.services)))
        self._thread.start()

    def warning(self) -> str:
        while not (said := [e.message for e in self.services.events.events if getattr(e, "level", "") == "warning"]):
            time.sleep(0.01)
        return said[0]

    def end(self) -> object:
        self._thread.join()
        return self.outcomes[0]


def test_a_holder_that_is_killed_holds_nothing(published: World, holder: subprocess.Popen[bytes]):
    published.build("b2")
    published.publish()
    waiting = Waiting(published)
    assert waiting.warning() == f"process {holder.pid} changes {published.root}; waiting"
    holder.kill()
    assert waiting.end().version == "b2"


def test_a_holder_that_is_stopped_is_named_with_what_can_be_done(published: World, holder: subprocess.Popen[bytes]):
    published.build("b2")
    published.publish()
    holder.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
    waiting = Waiting(published)
    assert f"process {holder.pid}, which is stopped (kill -CONT {holder.pid} lets it go on" in waiting.warning()
    holder.kill()
    assert waiting.end().version == "b2"


def test_a_check_that_outlives_a_killed_installer_holds_nothing(world: World):
    """The programs of a bundle get no open file of ours, so that no lock lives on in them."""
    seen = world.folder / "descriptors"
    core = engine("b1")
    listing = f"#!/bin/sh\nls -l /proc/self/fd >>{seen}\n".encode() + core.files["bin/llama-server"]
    world.build("b1", (dataclasses.replace(core, files={**core.files, "bin/llama-server": listing}), CPU),
                health=health("b1"))  # fmt: skip
    world.publish()
    world.install()
    assert str(world.root) not in seen.read_text()


def test_nobody_is_another_process(tmp_path: Path):
    (tmp_path / "free.lock").touch()
    assert FileDisk().lock_holder(tmp_path / "free.lock") == "another process"
    assert FileDisk().lock_holder(tmp_path / "nothing.lock") == "another process"


def test_installers_and_collectors_of_several_versions_at_once(published: World):
    """Whatever order they run in, what is current afterwards is whole, and a collection finds nothing half-made."""
    for version in ("b2", "b3"):
        published.build(version)
    published.publish()
    children = []
    for action in (
        lambda: published.install(version="b2"),
        lambda: published.install(version="b3"),
        lambda: published.install(version="b1", keep=2),
        lambda: collect_when_there(published),
        lambda: collect_when_there(published),
    ):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                action()
                code = 0
            except BaseException:
                os.write(2, traceback.format_exc().encode())
                raise
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 5
    assert sum(g.current for g in list_generations(published.root)) == 1
    assert verify(published.root, published.services(), disk=published.disk).ok
    assert list(Layout(published.root).staging_dir.iterdir()) == []


def collect_when_there(world: World) -> None:
    while not (world.root / "format.json").exists():
        os.sched_yield()
    gc(world.root, services=world.services(), disk=world.disk, keep=2)
