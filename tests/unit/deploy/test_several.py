"""Several engines in a root, and several roots: none of them takes from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, use
from pipeline.deploy.health import HealthWish
from pipeline.deploy.quick_switch import quick_switch
from pipeline.deploy.removal import gc, uninstall
from pipeline.deploy.switching import Switching
from pipeline.deploy.verify import verify
from pipeline.errors import NothingSelectedError, UsageError
from tests.simulators.engine_world import CPU, ENGINE, LayerFiles, World

OTHER = "other-engine"
UNCHECKED = Switching(HealthWish("none"))


def core(text: str) -> LayerFiles:
    return LayerFiles("core", {"bin/llama-server": f"#!/bin/sh\necho {text}\n".encode()})


@pytest.fixture
def both(world: World) -> World:
    """A world with two engines, b1 to b4 of one and c1 to c4 of the other, which share a layer."""
    for number in range(1, 5):
        world.build(f"b{number}", (core(f"b{number}"), CPU))
        world.build(f"c{number}", (core(f"c{number}"), CPU), engine=OTHER)
    world.publish()
    return world


def versions(root: Path, engine: str) -> list[str]:
    return [g.version for g in list_generations(root, engine=engine)]


def current(root: Path) -> dict[str, str]:
    return {g.engine: g.version for g in list_generations(root) if g.current}


def fill(world: World, root: Path | None = None) -> None:
    for number in range(1, 4):
        for engine, letter in ((ENGINE, "b"), (OTHER, "c")):
            world.install(root=root or world.root, engine=engine, version=f"{letter}{number}")


def test_each_engine_has_versions_of_its_own(both: World):
    fill(both)
    assert current(both.root) == {ENGINE: "b3", OTHER: "c3"}
    rollback(both.root, services=both.services(), disk=both.disk, engine=OTHER)
    assert current(both.root) == {ENGINE: "b3", OTHER: "c2"}
    assert verify(both.root, both.services(), disk=both.disk).ok


def test_which_engine_is_meant_has_to_be_said(both: World):
    fill(both)
    for version in ("b1", None):
        assert quick_switch(both.root, version, how=UNCHECKED, services=both.services, disk=both.disk, jobs=1) is None
    with pytest.raises(UsageError, match="several engines"):
        use(both.root, "b1", services=both.services(), disk=both.disk)
    with pytest.raises(UsageError, match="several engines"):
        rollback(both.root, services=both.services(), disk=both.disk)
    with pytest.raises(NothingSelectedError):
        use(both.root, "b1", services=both.services(), disk=both.disk, engine=OTHER)


def test_one_engine_is_pinned_and_the_other_moves(both: World):
    fill(both)
    use(both.root, "b2", services=both.services(), disk=both.disk, engine=ENGINE, how=UNCHECKED._replace(pin=True))
    assert both.install(engine=ENGINE).version == "b2"
    assert both.install(engine=OTHER).version == "c4"
    assert current(both.root) == {ENGINE: "b2", OTHER: "c4"}


def test_as_many_of_each_engine_are_kept(both: World):
    fill(both)
    both.install(engine=ENGINE, keep=2)
    assert (versions(both.root, ENGINE), versions(both.root, OTHER)) == (["b4", "b3"], ["c3", "c2", "c1"])
    gc(both.root, services=both.services(), disk=both.disk, keep=2)
    assert versions(both.root, OTHER) == ["c3", "c2"]
    assert verify(both.root, both.services(), disk=both.disk).ok


def test_three_are_kept_where_nobody_says_otherwise(both: World):
    fill(both)
    outcome = both.install(engine=ENGINE)
    assert outcome.removed_generations == (1,)
    assert versions(both.root, ENGINE) == ["b4", "b3", "b2"]


def test_an_engine_that_goes_leaves_the_layers_of_the_other(both: World):
    fill(both)
    uninstall(both.root, services=both.services(), disk=both.disk, engine=ENGINE)
    assert current(both.root) == {OTHER: "c3"}
    assert verify(both.root, both.services(), disk=both.disk).ok
    assert use(both.root, "c1", services=both.services(), disk=both.disk).version == "c1"


def test_roots_know_nothing_of_each_other(both: World):
    first, second = both.folder / "first", both.folder / "second"
    for root in (first, second):
        fill(both, root)
    use(first, "b1", services=both.services(first), disk=both.disk, engine=ENGINE, how=UNCHECKED._replace(pin=True))
    uninstall(second, services=both.services(second), disk=both.disk, engine=OTHER)
    assert both.install(root=second, engine=ENGINE).version == "b4"
    assert current(first) == {ENGINE: "b1", OTHER: "c3"}
    assert current(second) == {ENGINE: "b4"}
    for root in (first, second):
        assert verify(root, both.services(root), disk=both.disk).ok
