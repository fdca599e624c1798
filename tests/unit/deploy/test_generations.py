from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, use
from pipeline.deploy.layout import Layout
from pipeline.errors import IntegrityError, NothingSelectedError, UsageError
from pipeline.model.installation import SwitchOutcome
from tests.simulators.engine_world import World


@pytest.fixture
def updated(published: World) -> World:
    """A root with b1, b2 and b3, of which b3 is current."""
    published.install()
    for version in ("b2", "b3"):
        published.build(version)
        published.publish()
        published.install()
    return published


def back(world: World) -> SwitchOutcome:
    return rollback(world.root, services=world.services(), disk=world.disk)


def to(world: World, version: str) -> SwitchOutcome:
    return use(world.root, version, services=world.services(), disk=world.disk)


def current(world: World) -> str:
    return next(g.version for g in list_generations(world.root) if g.current)


def test_what_is_installed_is_listed_newest_first(updated: World):
    listed = list_generations(updated.root)
    assert [(g.number, g.version, g.current) for g in listed] == [(3, "b3", True), (2, "b2", False), (1, "b1", False)]
    assert listed[0].target == "llama.cpp/linux-x86_64-cpu"
    assert Path(listed[0].path, "bin/llama-server").is_file()


def test_one_can_go_back_step_by_step(updated: World):
    assert back(updated).version == "b2"
    assert back(updated).version == "b1"
    with pytest.raises(NothingSelectedError, match="before b1"):
        back(updated)
    assert current(updated) == "b1"


def test_any_kept_version_can_be_used(updated: World):
    outcome = to(updated, "b1")
    assert (outcome.changed, outcome.version, outcome.previous_version) == (True, "b1", "b3")
    assert to(updated, "b1").changed is False
    assert back(updated).version == "b3"


def test_a_version_that_is_not_kept_is_named_with_those_that_are(updated: World):
    with pytest.raises(NothingSelectedError, match="b7 is not kept") as caught:
        to(updated, "b7")
    assert "b3, b2, b1" in caught.value.hint


def test_a_kept_version_that_was_changed_is_not_switched_to(updated: World):
    library = updated.root / "generations/llama.cpp/2/tree/lib/libllama.so.0.1"
    library.write_bytes(b"X" * library.stat().st_size)
    with pytest.raises(IntegrityError, match=r"lib/libllama\.so\.0\.1 is changed"):
        back(updated)
    with pytest.raises(IntegrityError):
        to(updated, "b2")
    assert current(updated) == "b3"


def test_an_unknown_engine_and_no_installation(updated: World):
    with pytest.raises(NothingSelectedError, match="mlx-lm is not installed"):
        rollback(updated.root, services=updated.services(), disk=updated.disk, engine="mlx-lm")
    with pytest.raises(UsageError, match="no installation"):
        list_generations(updated.folder)
    with pytest.raises(UsageError, match="no name of an engine"):
        Layout(updated.root).pointer_path("../../etc")


def test_installing_a_kept_version_again_downloads_nothing(updated: World):
    services = updated.services()
    outcome = updated.install(services=services, version="b1")
    assert (outcome.changed, outcome.generation, outcome.previous_version) == (True, 1, "b3")
    assert services.downloader.brought == []
