"""A process may die before any of its file-system calls: what runs then, and what the next run makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, unpin, use
from pipeline.deploy.health import HealthCheckError
from pipeline.deploy.removal import gc, uninstall
from pipeline.deploy.switching import Switching
from tests.simulators.checked_engine import engine, health
from tests.simulators.crash_points import for_every_point, in_memory, running, whole
from tests.simulators.engine_world import LayerFiles, World
from tests.simulators.revoking import revoke

SMALL_CORE = {
    version: LayerFiles("core", {"bin/llama-server": f"core {version}".encode(), "lib/l.so": "../bin/llama-server"})
    for version in ("b1", "b2")
}
BACKEND = LayerFiles("cpu", {"lib/cpu.so": b"cpu"})


@pytest.fixture
def small() -> Iterator[World]:
    """A repository with two tiny versions; in memory where the system has a place for that, for hundreds of copies."""
    with in_memory() as folder:
        world = World(folder)
        for version, core in SMALL_CORE.items():
            world.build(version, (core, BACKEND))
        world.publish()
        yield world


@pytest.fixture
def checked() -> Iterator[World]:
    """As ``small``, with programs that are started before a switch, and a list that says that b0 is revoked."""
    with in_memory() as folder:
        world = World(folder)
        for version in ("b0", "b1", "b2"):
            world.build(version, (engine(version), BACKEND), health=health(version))
        world.publish()
        revoke(world, "b0")
        yield world


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


def version_of(root: Path) -> str | None:
    pointer = root / "current/llama.cpp.json"
    return json.loads(pointer.read_text())["version"] if pointer.exists() else None


def pin_of(root: Path) -> str | None:
    pin = root / "pins/llama.cpp.json"
    return json.loads(pin.read_text())["version"] if pin.exists() else None


def test_a_checked_first_installation_that_dies_anywhere(checked: World):
    def check(root: Path, number: int) -> None:
        assert version_of(root) in {None, "b2"}, number
        outcome = checked.install(root=root)
        assert (version_of(root), outcome.generation) == ("b2", 1), number
        assert whole(checked, root), number

    assert for_every_point(checked, None, lambda root: checked.install(root=root), check) > 60


def test_a_checked_update_that_dies_anywhere(checked: World):
    checked.install(version="b1")

    def check(root: Path, number: int) -> None:
        assert version_of(root) in {"b1", "b2"}, number
        assert "b1" in [g.version for g in list_generations(root)], number
        checked.install(root=root)
        assert version_of(root) == "b2", number
        assert [g.version for g in list_generations(root)] == ["b2", "b1"], number
        assert whole(checked, root), number

    assert for_every_point(checked, checked.root, lambda root: checked.install(root=root), check) > 40


def test_an_update_to_what_does_not_work_that_dies_anywhere_never_makes_it_current(checked: World):
    checked.install(version="b1")
    checked.build("b3", (engine("b3", exit_code=1), BACKEND), health=health("b3"))
    checked.publish()
    revoke(checked, "b0")

    def act(root: Path) -> None:
        with pytest.raises(HealthCheckError):
            checked.install(root=root)

    def check(root: Path, number: int) -> None:
        assert version_of(root) == "b1", number
        act(root)
        assert version_of(root) == "b1", number
        assert [g.version for g in list_generations(root)] == ["b3", "b1"], number
        assert whole(checked, root), number

    assert for_every_point(checked, checked.root, act, check) > 40


def test_a_pinning_switch_that_dies_anywhere_never_leaves_another_version_pinned(checked: World):
    checked.install(version="b1")
    checked.install()
    held = Switching(pin=True)

    def act(root: Path) -> None:
        use(root, "b1", services=checked.services(root), disk=checked.disk, how=held)

    def check(root: Path, number: int) -> None:
        assert (version_of(root), pin_of(root)) in {("b2", None), ("b2", "b1"), ("b1", "b1")}, number
        act(root)
        assert (version_of(root), pin_of(root)) == ("b1", "b1"), number
        assert checked.install(root=root).version == "b1", number
        gc(root, services=checked.services(root), disk=checked.disk)
        assert whole(checked, root), number

    assert for_every_point(checked, checked.root, act, check) > 6


def test_a_switch_that_lets_go_and_dies_anywhere_can_be_done_again(checked: World):
    checked.install(version="b1")
    checked.install()
    use(checked.root, "b1", services=checked.services(), disk=checked.disk, how=Switching(pin=True))

    def act(root: Path) -> None:
        use(root, "b2", services=checked.services(root), disk=checked.disk, how=Switching(unpin=True))

    def check(root: Path, number: int) -> None:
        assert (version_of(root), pin_of(root)) in {("b1", "b1"), ("b1", None), ("b2", None)}, number
        act(root)
        assert (version_of(root), pin_of(root)) == ("b2", None), number
        assert whole(checked, root), number

    assert for_every_point(checked, checked.root, act, check) > 6


def test_an_unpin_that_dies_anywhere(checked: World):
    checked.install(version="b1")
    use(checked.root, "b1", services=checked.services(), disk=checked.disk, how=Switching(pin=True))

    def act(root: Path) -> None:
        unpin(root, services=checked.services(root), disk=checked.disk)

    def check(root: Path, number: int) -> None:
        assert version_of(root) == "b1", number
        assert pin_of(root) in {"b1", None}, number
        act(root)
        assert pin_of(root) is None, number
        assert whole(checked, root), number

    assert for_every_point(checked, checked.root, act, check) > 1


def test_a_gc_beside_a_pin_that_dies_anywhere_keeps_what_is_pinned(checked: World):
    checked.install(version="b1")
    use(checked.root, "b1", services=checked.services(), disk=checked.disk, how=Switching(pin=True))
    for version in ("b3", "b4", "b5"):
        checked.build(version, (engine(version), BACKEND), health=health(version))
    checked.publish()
    revoke(checked, "b0")
    path = checked.root / "pins/llama.cpp.json"
    pin = path.read_bytes()
    path.unlink()
    for version in ("b3", "b4", "b5"):
        checked.install(version=version, keep=9)
    path.write_bytes(pin)

    def act(root: Path) -> None:
        gc(root, services=checked.services(root), disk=checked.disk, keep=2)

    def check(root: Path, number: int) -> None:
        assert version_of(root) == "b5", number
        act(root)
        assert [g.version for g in list_generations(root)] == ["b5", "b4", "b1"], number
        assert whole(checked, root), number

    assert for_every_point(checked, checked.root, act, check) > 5
