from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations
from pipeline.deploy.layout import Layout
from pipeline.deploy.removal import gc, uninstall
from pipeline.deploy.verify import verify
from pipeline.errors import NothingSelectedError
from pipeline.model.installation import RemovalOutcome
from tests.simulators.engine_world import World


@pytest.fixture
def updated(published: World) -> World:
    published.install()
    for version in ("b2", "b3"):
        published.build(version)
        published.publish()
        published.install()
    return published


def collect(world: World, **choices: int) -> RemovalOutcome:
    return gc(world.root, services=world.services(), disk=world.disk, **choices)


def files(root: Path) -> set[str]:
    tops = ("layers", "generations", "current")
    return {str(p.relative_to(root)) for top in tops for p in (root / top).rglob("*") if not p.is_dir()}


def test_generations_beyond_the_number_go_with_their_layers(updated: World):
    expected = collect(updated, keep=2, dry_run=True)
    before = files(updated.root)
    outcome = collect(updated, keep=2)
    assert outcome.generations == expected.generations == ("llama.cpp/1",)
    assert len(outcome.layers) == 1
    assert (outcome.files, outcome.freed_bytes) == (expected.files, expected.freed_bytes)
    assert outcome.freed_bytes > 0
    assert [g.version for g in list_generations(updated.root)] == ["b3", "b2"]
    assert len(files(updated.root)) < len(before)
    assert verify(updated.root, updated.services(), disk=updated.disk).ok


def test_a_dry_run_removes_nothing(updated: World):
    before = files(updated.root)
    collect(updated, keep=2, dry_run=True)
    assert files(updated.root) == before


def test_two_always_stay(updated: World):
    collect(updated, keep=0)
    assert len(list_generations(updated.root)) == 2


def test_what_a_broken_run_left_goes(updated: World):
    layout = Layout(updated.root)
    (layout.staging_dir / "change-1").mkdir()
    (layout.staging_dir / "change-1/half").write_text("x")
    (layout.layers_dir / f"{'0' * 64}.json").write_text("{}")
    (layout.layers_dir / ("1" * 64)).mkdir()
    (layout.generations_dir / "llama.cpp/9").mkdir()
    collect(updated)
    assert list(layout.staging_dir.iterdir()) == []
    assert not (layout.layers_dir / f"{'0' * 64}.json").exists()
    assert not (layout.layers_dir / ("1" * 64)).exists()
    assert not (layout.generations_dir / "llama.cpp/9").exists()
    assert [g.current for g in list_generations(updated.root)] == [True, False, False]


def test_an_installation_goes_on_after_gc(updated: World):
    collect(updated)
    updated.build("b4")
    updated.publish()
    assert updated.install().version == "b4"


def test_uninstalling_removes_everything_of_the_engine(updated: World):
    outcome = uninstall(updated.root, services=updated.services(), disk=updated.disk)
    assert outcome.generations == ("llama.cpp/1", "llama.cpp/2", "llama.cpp/3")
    assert files(updated.root) == set()
    with pytest.raises(NothingSelectedError, match="nothing is installed"):
        uninstall(updated.root, services=updated.services(), disk=updated.disk)
    assert updated.install().version == "b3"


def test_uninstalling_can_be_tried_dry(updated: World):
    before = files(updated.root)
    outcome = uninstall(updated.root, services=updated.services(), disk=updated.disk, dry_run=True)
    assert len(outcome.generations) == 3
    assert len(outcome.layers) == 4
    assert files(updated.root) == before
