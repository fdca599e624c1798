"""A process may die before any of its file-system calls: what runs then, and what the next run makes of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback
from pipeline.deploy.layout import Layout
from pipeline.deploy.removal import gc, uninstall
from pipeline.deploy.verify import verify
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import LayerFiles, World

SMALL_CORE = {
    version: LayerFiles("core", {"bin/llama-server": f"core {version}".encode(), "lib/l.so": "../bin/llama-server"})
    for version in ("b1", "b2")
}
BACKEND = LayerFiles("cpu", {"lib/cpu.so": b"cpu"})


@pytest.fixture
def small() -> Iterator[World]:
    """A repository with two tiny versions; in memory where the system has a place for that, for hundreds of copies."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="crash-points-", dir=memory if memory.is_dir() else None))
    world = World(folder)
    for version, core in SMALL_CORE.items():
        world.build(version, (core, BACKEND))
    world.publish()
    yield world
    shutil.rmtree(folder)


def running(root: Path) -> bytes | None:
    """Return what the current program says, None when nothing is installed."""
    pointer = root / "current/llama.cpp.json"
    if not pointer.exists():
        return None
    return (root / json.loads(pointer.read_text())["tree"] / "bin/llama-server").read_bytes()


def whole(world: World, root: Path) -> bool:
    services = world.services(world.folder / "verifier")
    return verify(root, services, disk=world.disk).ok and not list(Layout(root).staging_dir.iterdir())


def for_every_point(
    world: World, start: Path | None, action: Callable[[Path], object], check: Callable[[Path, int], None]
) -> int:
    """Let a copy of ``start`` die before each change that ``action`` makes; return how many there are."""
    root = world.folder / "dying"
    for number in range(1, 1000):
        shutil.rmtree(root, ignore_errors=True)
        if start is not None:
            shutil.copytree(start, root, symlinks=True)
        died = dies_before(number, lambda: action(root))
        check(root, number)
        if not died:
            return number - 1
    raise AssertionError("the action makes more changes than this test expects")


def test_a_first_installation_that_dies_anywhere(small: World):
    def check(root: Path, number: int) -> None:
        assert running(root) in {None, b"core b2"}, number
        outcome = small.install(root=root)
        assert running(root) == b"core b2", number
        assert outcome.generation == 1, number
        assert whole(small, root), number

    assert for_every_point(small, None, lambda root: small.install(root=root), check) > 60


def test_an_update_that_dies_anywhere_leaves_the_old_or_the_new_version(small: World):
    small.install(version="b1")

    def check(root: Path, number: int) -> None:
        assert running(root) in {b"core b1", b"core b2"}, number
        kept = [g.version for g in list_generations(root)]
        assert "b1" in kept, number
        small.install(root=root)
        assert running(root) == b"core b2", number
        assert [g.version for g in list_generations(root)] == ["b2", "b1"], number
        assert whole(small, root), number

    assert for_every_point(small, small.root, lambda root: small.install(root=root), check) > 50


def test_a_rollback_that_dies_anywhere(small: World):
    small.install(version="b1")
    small.install()

    def act(root: Path) -> None:
        rollback(root, services=small.services(root), disk=small.disk)

    def check(root: Path, number: int) -> None:
        before = running(root)
        assert before in {b"core b1", b"core b2"}, number
        if before == b"core b2":
            act(root)
        assert running(root) == b"core b1", number
        gc(root, services=small.services(root), disk=small.disk)
        assert whole(small, root), number

    assert for_every_point(small, small.root, act, check) > 5


def test_gc_and_uninstall_that_die_anywhere(small: World):
    small.install(version="b1")
    small.install()
    small.build("b3", (LayerFiles("core", {"bin/llama-server": b"core b3"}), BACKEND))
    small.publish()
    small.install()

    def collect(root: Path) -> None:
        gc(root, services=small.services(root), disk=small.disk, keep=2)

    def check(root: Path, number: int) -> None:
        assert running(root) == b"core b3", number
        collect(root)
        assert [g.version for g in list_generations(root)] == ["b3", "b2"], number
        assert whole(small, root), number

    assert for_every_point(small, small.root, collect, check) > 10

    def remove(root: Path) -> None:
        uninstall(root, services=small.services(root), disk=small.disk)

    def check_removal(root: Path, number: int) -> None:
        assert running(root) in {None, b"core b3"}, number
        outcome = small.install(root=root)
        assert running(root) == b"core b3", number
        assert outcome.version == "b3", number
        gc(root, services=small.services(root), disk=small.disk)
        assert whole(small, root), number

    assert for_every_point(small, small.root, remove, check_removal) > 10


def test_an_update_from_a_file_that_dies_anywhere_leaves_the_old_or_the_new_version(small: World):
    small.install(version="b1")
    bundle = small.folder / "dist/llama.cpp-b2-cpu.tar.zst"
    content = bundle.read_bytes()

    def check(root: Path, number: int) -> None:
        assert running(root) in {b"core b1", b"core b2"}, number
        assert "b1" in [g.version for g in list_generations(root)], number
        small.install(root=root, location=None, files=(bundle,))
        assert running(root) == b"core b2", number
        assert [g.version for g in list_generations(root)] == ["b2", "b1"], number
        assert whole(small, root), number
        assert bundle.read_bytes() == content, number

    def act(root: Path) -> None:
        small.install(root=root, location=None, files=(bundle,))

    assert for_every_point(small, small.root, act, check) > 40
