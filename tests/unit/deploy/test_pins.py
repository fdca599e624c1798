"""An engine that is held at a version stays there, whoever asks for another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, unpin, use
from pipeline.deploy.health import HealthWish
from pipeline.deploy.quick_switch import quick_switch
from pipeline.deploy.removal import gc, uninstall
from pipeline.deploy.switching import Switching
from pipeline.errors import IntegrityError, NothingSelectedError, UsageError
from tests.simulators.engine_world import ENGINE, World

PIN = "pins/llama.cpp.json"
UNCHECKED = Switching(HealthWish("none"))
HELD = UNCHECKED._replace(pin=True)
LET_GO = UNCHECKED._replace(unpin=True)


@pytest.fixture
def three(world: World) -> World:
    """A world where b1, b2 and b3 are published, and b1 and then b2 were installed."""
    for version in ("b1", "b2", "b3"):
        world.build(version)
    world.publish()
    world.install(version="b1")
    world.install(version="b2")
    return world


def switch(world: World, version: str, how: Switching = UNCHECKED):
    return use(world.root, version, services=world.services(), disk=world.disk, how=how)


def current(root: Path) -> str:
    return json.loads((root / "current/llama.cpp.json").read_text())["version"]


def test_an_install_without_a_version_takes_the_pinned_one(three: World):
    assert switch(three, "b1", HELD).pinned
    outcome = three.install()
    assert (outcome.version, outcome.changed, outcome.pinned) == ("b1", False, True)


def test_an_install_of_another_version_is_refused_until_it_is_let_go(three: World):
    switch(three, "b2", HELD)
    with pytest.raises(UsageError, match="pinned to b2, and b3 is another version") as caught:
        three.install(version="b3")
    assert "use --unpin" in caught.value.hint
    assert current(three.root) == "b2"
    outcome = three.install(version="b3", unpin=True)
    assert (outcome.version, outcome.pinned) == ("b3", False)
    assert not (three.root / PIN).exists()


def test_a_switch_to_another_version_is_refused_until_it_is_let_go(three: World):
    switch(three, "b2", HELD)
    with pytest.raises(UsageError, match="pinned to b2"):
        switch(three, "b1")
    assert switch(three, "b2").changed is False  # the pinned one itself may be asked for
    assert switch(three, "b1", LET_GO).pinned is False
    assert current(three.root) == "b1"
    assert not (three.root / PIN).exists()


def test_a_rollback_away_from_the_pin_is_refused(three: World):
    switch(three, "b2", HELD)
    with pytest.raises(UsageError, match="pinned to b2") as caught:
        rollback(three.root, services=three.services(), disk=three.disk, how=UNCHECKED)
    assert "--unpin" in caught.value.hint
    assert current(three.root) == "b2"


def test_a_pin_can_be_moved(three: World):
    switch(three, "b2", HELD)
    assert switch(three, "b1", HELD).pinned
    assert json.loads((three.root / PIN).read_text())["version"] == "b1"


def test_letting_go_switches_nothing(three: World):
    switch(three, "b2", HELD)
    outcome = unpin(three.root, services=three.services(), disk=three.disk)
    assert (outcome.changed, outcome.version, outcome.pinned) == (False, "b2", False)
    assert three.install().version == "b3"


def test_what_is_pinned_is_never_removed(three: World):
    switch(three, "b1", HELD)
    switch(three, "b2", LET_GO)
    three.install(version="b3")
    pins = {ENGINE: "b1"}
    gc(three.root, services=three.services(), disk=three.disk, keep=2, pinned=pins)
    assert [g.version for g in list_generations(three.root)] == ["b3", "b2", "b1"]
    gc(three.root, services=three.services(), disk=three.disk, keep=2)
    assert [g.version for g in list_generations(three.root)] == ["b3", "b2"]


def test_an_own_pin_keeps_its_generation_through_gc(three: World):
    switch(three, "b1", HELD)
    three.install(version="b3", unpin=True)
    switch(three, "b2")
    switch(three, "b3", HELD)
    switch(three, "b2", LET_GO)
    switch(three, "b1")
    (three.root / "pins").mkdir(exist_ok=True)
    (three.root / PIN).write_text('{"schema_version": 1, "engine": "llama.cpp", "version": "b3"}')
    gc(three.root, services=three.services(), disk=three.disk, keep=2)
    assert {g.version for g in list_generations(three.root)} == {"b1", "b2", "b3"}


def test_a_list_shows_the_pin(three: World):
    switch(three, "b1", HELD)
    assert [(g.version, g.pinned) for g in list_generations(three.root)] == [("b2", False), ("b1", True)]
    shown = list_generations(three.root, configured_pins={ENGINE: "b1"})
    assert [g.pinned for g in shown] == [False, True]


def test_the_project_file_pins_as_well(three: World):
    pins = {ENGINE: "b1"}
    assert three.install(pins=pins).version == "b1"
    with pytest.raises(UsageError, match="pinned to b1") as caught:
        three.install(pins=pins, version="b3")
    assert "[pins]" in caught.value.hint
    with pytest.raises(UsageError, match="pinned to b1"):
        three.install(pins=pins, version="b3", unpin=True)
    for how in (UNCHECKED, HELD, LET_GO):
        with pytest.raises(UsageError, match="pinned to b1"):
            switch(three, "b2", how._replace(pins=pins))
    assert current(three.root) == "b1"


def test_two_pins_that_contradict_each_other_are_an_error(three: World):
    switch(three, "b2", HELD)
    with pytest.raises(UsageError, match=r"pinned to b2 in .* and to b1 in the project file"):
        three.install(pins={ENGINE: "b1"})


def test_a_pinned_version_that_is_not_offered_is_said(three: World):
    with pytest.raises(NothingSelectedError, match="pinned to b9"):
        three.install(pins={ENGINE: "b9"})


def test_another_engines_pin_holds_nothing(three: World):
    assert three.install(pins={"other": "b1"}).version == "b3"


def test_files_of_another_version_than_the_pinned_one_are_refused(three: World):
    switch(three, "b2", HELD)
    bundle = three.folder / "dist/llama.cpp-b3-cpu.tar.zst"
    with pytest.raises((UsageError, NothingSelectedError), match="pinned to b2"):
        three.install(files=(bundle,))
    assert current(three.root) == "b2"


DAMAGES = {
    "no JSON": b"{",
    "another engine": b'{"schema_version": 1, "engine": "other", "version": "b2"}',
    "another schema": b'{"schema_version": 2, "engine": "llama.cpp", "version": "b2"}',
    "an unknown key": b'{"schema_version": 1, "engine": "llama.cpp", "version": "b2", "more": 1}',
    "no text": b'{"schema_version": 1, "engine": "llama.cpp", "version": 2}',
    "a list": b"[]",
    "a twin key": b'{"schema_version": 1, "engine": "llama.cpp", "version": "b1", "version": "b2"}',
    "too long": b'{"schema_version": 1, "engine": "llama.cpp", "version": "' + b"b" * 5000 + b'"}',
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_pin_holds_everything_until_it_is_written_anew(three: World, case: str):
    (three.root / "pins").mkdir(exist_ok=True)
    (three.root / PIN).write_bytes(DAMAGES[case])
    for attempt in (three.install, lambda: switch(three, "b1")):
        with pytest.raises(IntegrityError):
            attempt()
    assert current(three.root) == "b2"
    gc(three.root, services=three.services(), disk=three.disk, keep=2)
    assert len(list_generations_damaged(three)) == 2
    assert switch(three, "b1", HELD).version == "b1"
    assert three.install().version == "b1"


def list_generations_damaged(world: World) -> list[Path]:
    return list((world.root / "generations/llama.cpp").iterdir())


def test_a_damaged_pin_can_be_let_go(three: World):
    (three.root / "pins").mkdir(exist_ok=True)
    (three.root / PIN).write_bytes(b"{")
    unpin(three.root, services=three.services(), disk=three.disk)
    assert three.install().version == "b3"


def test_the_quick_way_leaves_pins_that_matter_to_the_long_one(three: World):
    def quick(version: str | None, how: Switching = UNCHECKED) -> dict[str, object] | None:
        return quick_switch(three.root, version, how=how, services=three.services, disk=three.disk, jobs=1)

    assert quick("b1", HELD) is None
    assert quick("b1", LET_GO) is None
    switch(three, "b2", HELD)
    assert quick("b1") is None
    assert quick(None) is None
    assert current(three.root) == "b2"
    assert quick("b2")["pinned"] is True
    assert quick("b2", UNCHECKED._replace(pins={ENGINE: "b1"})) is None


def test_an_uninstalled_engine_is_pinned_no_more(three: World):
    switch(three, "b1", HELD)
    uninstall(three.root, services=three.services(), disk=three.disk)
    assert not (three.root / PIN).exists()
    assert three.install().version == "b3"


def test_a_pinned_choice_says_why_as_any_other(three: World):
    outcome = three.install(pins={ENGINE: "b1"}, target=None)
    assert (outcome.version, outcome.selection.why) == ("b1", "it alone fits")
