"""A world to lock in, and the same one locked already: solving takes a second or two."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators.lock_world import LockWorld
from tests.simulators.wheel_index import WheelIndex


@pytest.fixture
def index() -> Iterator[WheelIndex]:
    with WheelIndex() as index:
        index.add("thing", "1.0")
        yield index


@pytest.fixture
def world(tmp_path: Path, index: WheelIndex) -> LockWorld:
    return LockWorld(tmp_path / "w", index)


@pytest.fixture(scope="session")
def locked_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with WheelIndex() as index:
        index.add("thing", "1.0")
        world = LockWorld(tmp_path_factory.mktemp("locked") / "w", index)
        world.lock()
        return world.folder


@pytest.fixture
def locked(world: LockWorld, locked_once: Path) -> LockWorld:
    shutil.copytree(locked_once, world.folder, dirs_exist_ok=True)
    return world


@pytest.fixture
def wheels(world: LockWorld) -> LockWorld:
    """Lock no conda packages in this one: half the time."""
    (world.folder / "conda-problem.txt").write_text("this test is about wheels\n")
    return world
