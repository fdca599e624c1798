"""The quick way of switching ends as the long one does, and leaves everything that is not plain to that."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pipeline.deploy.generations import rollback, use
from pipeline.deploy.health import HealthWish
from pipeline.deploy.quick_switch import NotPlainError, quick_switch
from pipeline.deploy.switching import Switching
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import World

UNCHECKED = Switching(HealthWish("none"))
POINTER = "current/llama.cpp.json"


class Leaving:
    """What the quick way has to tell is for the long one."""

    def emit(self, event: object) -> None:
        raise NotPlainError(event)


class Installed(NamedTuple):
    """A root, and the files of generation 1 in it."""

    root: Path
    tree: Path


@pytest.fixture
def two(world: World) -> World:
    """A world where b1 and then b2 were installed."""
    for version in ("b1", "b2"):
        world.build(version)
    world.publish()
    world.install(version="b1")
    world.install()
    return world


def quick(
    world: World, version: str | None, *, jobs: int = 1, root: Path | None = None, how: Switching = UNCHECKED
) -> dict[str, object] | None:
    place = root or world.root
    services = dataclasses.replace(world.services(world.folder / "elsewhere"), events=Leaving())
    return quick_switch(place, version, how=how, services=lambda: services, disk=world.disk, jobs=jobs)


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("version", ["b1", "b2", None])
def test_it_ends_as_the_long_way_does(two: World, version: str | None, jobs: int):
    other = two.folder / "other"
    shutil.copytree(two.root, other, symlinks=True)
    if version is None:
        expected = rollback(other, services=two.services(other), disk=two.disk, how=UNCHECKED)
    else:
        expected = use(other, version, services=two.services(other), disk=two.disk, how=UNCHECKED)
    found = quick(two, version, jobs=jobs)
    assert found == expected.model_copy(update={"path": found["path"]}).model_dump(mode="json")
    assert Path(str(found["path"])).is_relative_to(two.root)
    assert (two.root / POINTER).read_bytes() == (other / POINTER).read_bytes()


def test_back_and_forth_remembers_what_ran_before(two: World):
    assert quick(two, "b1")["version"] == "b1"
    assert quick(two, "b2")["previous_version"] == "b1"
    assert json.loads((two.root / POINTER).read_text())["history"] == [1]
    assert quick(two, None)["version"] == "b1"
    assert quick(two, None) is None  # nothing before it: the long way says so


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "a changed file": lambda at: _flip(at.tree / "lib/libllama.so.0.1"),
    "a missing file": lambda at: (at.tree / "lib/libllama.so.0.1").unlink(),
    "a file too many": lambda at: (at.tree / "lib/evil.so").write_bytes(b"x"),
    "a link elsewhere": lambda at: _relink(at.tree / "lib/libllama.so", "libggml-cpu.so"),
    "a file as a link": lambda at: _relink(at.tree / "bin/llama-server", "/bin/true"),
    "a mode": lambda at: (at.tree / "bin/llama-server").chmod(0o644),
    "a list of files": lambda at: _each_list(at, lambda path: _edit(path, "420", "493")),
    "a layer without its list": lambda at: _each_list(at, Path.unlink),
    "a record": lambda at: _edit(at.tree.parent / "generation.json", '"b1"', '"b3"'),
    "a record without its seal": lambda at: (at.tree.parent / "generation.sha256").unlink(),
    "a pointer": lambda at: _edit(at.root / POINTER, '"history"', '"histories"'),
    "a pointer that is no JSON": lambda at: (at.root / POINTER).write_bytes(b"{"),
    "no pointer": lambda at: (at.root / POINTER).unlink(),
    "a format of the future": lambda at: _edit(at.root / "format.json", "1", "2"),
    "no format": lambda at: (at.root / "format.json").unlink(),
    "something half made": lambda at: (at.root / "staging/change-1").mkdir(),
    "an unfinished generation": lambda at: (at.root / "generations/llama.cpp/9/tree").mkdir(parents=True),
    "another engine": lambda at: (at.root / "current/other.json").write_bytes(b"{}"),
}


def _each_list(at: Installed, change: Callable[[Path], object]) -> None:
    for path in list((at.root / "layers").glob("*.json")):
        change(path)


def _relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_not_as_it_should_be_is_left_to_the_long_way(two: World, case: str):
    before = (two.root / POINTER).read_bytes()
    tree = two.root / "generations/llama.cpp/1/tree"
    DAMAGES[case](Installed(two.root, tree))
    damaged = (two.root / POINTER).read_bytes() if (two.root / POINTER).exists() else None
    assert quick(two, "b1") is None
    after = (two.root / POINTER).read_bytes() if (two.root / POINTER).exists() else None
    assert after == damaged
    assert after == before or "pointer" in case


@pytest.mark.parametrize("version", ["b3", "", "../b1"])
def test_a_version_that_is_not_kept_is_left_to_the_long_way(two: World, version: str):
    assert quick(two, version) is None


def test_a_folder_that_is_no_installation_is_left_alone(two: World):
    assert quick(two, "b1", root=two.folder / "dist") is None
    assert quick(two, "b1", root=two.folder / "nowhere") is None
    assert not (two.folder / "nowhere").exists()
    assert not (two.folder / "dist/locks").exists()


def test_while_another_process_changes_it_the_long_way_waits(two: World):
    with two.disk.lock(two.root / "locks/root.lock"):
        assert quick(two, "b1") is None


def test_a_switch_that_dies_anywhere_leaves_one_of_the_two(two: World):
    points = 0
    for number in range(1, 100):
        root = two.folder / "dying"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(two.root, root, symlinks=True)
        died = dies_before(number, lambda root=root: quick(two, "b1", root=root))
        assert json.loads((root / POINTER).read_text())["version"] in {"b1", "b2"}
        assert use(root, "b1", services=two.services(root), disk=two.disk).version == "b1"
        if not died:
            break
        points = number
    assert points >= 2
