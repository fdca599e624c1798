"""What is installed is started before it becomes current; what does not work never does."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, use
from pipeline.deploy.health import HealthCheckError, HealthWish
from pipeline.deploy.quick_switch import quick_switch
from pipeline.deploy.removal import gc
from pipeline.deploy.switching import Switching
from pipeline.errors import IntegrityError, UsageError
from tests.simulators import model_server
from tests.simulators.checked_engine import engine, health
from tests.simulators.engine_world import CPU, FixedHost, LayerFiles, World

RUN = "run"


@pytest.fixture
def checked(world: World) -> World:
    """A world with a version b1 that works."""
    add(world, "b1")
    return world


def add(world: World, version: str, *, expect: str = "^CPU$", **engine_choices: object) -> None:
    core = engine(version, **engine_choices)
    world.build(version, (core, CPU), health=health(version, device=expect))
    world.publish()


@pytest.fixture
def making(world: World) -> World:
    """A world with a version b1 of an engine that makes itself a model."""
    make(world, "b1")
    return world


def make(world: World, version: str, *, fault: str = "") -> None:
    core = LayerFiles("core", {model_server.PROGRAM: model_server.program_text(fault)})
    points = {"tiny": model_server.PROGRAM}
    world.build(version, (core, CPU), health=model_server.health(version), entry_points=points)
    world.publish()


def notices(services) -> list[str]:
    return [event.message for event in services.events.events if hasattr(event, "level")]


def current(root: Path) -> str | None:
    pointer = root / "current/llama.cpp.json"
    return json.loads(pointer.read_text())["version"] if pointer.exists() else None


def model(world: World, data: bytes = b"GGUF and more") -> Path:
    path = world.folder / "model.gguf"
    path.write_bytes(data)
    return path


def test_an_install_says_what_the_programs_said(checked: World):
    outcome = checked.install()
    assert (outcome.health.level, outcome.health.passed, outcome.health.reason) == ("load", True, "")
    assert (outcome.health.version, outcome.health.devices) == ("version: b1", ("CPU",))
    assert outcome.health.seconds > 0
    assert outcome.health.generated_tokens is None


def test_a_version_that_does_not_start_is_never_current(checked: World):
    checked.install()
    add(checked, "b2", exit_code=3)
    with pytest.raises(
        HealthCheckError,
        match=r"generation 2\) fails .* b1 \(generation 1\) stays current: llama-server --version ended with",
    ) as e:
        checked.install()
    assert e.value.exit_code == 10
    assert "version: b2" in e.value.message  # its last words
    assert "--health none" in e.value.hint
    assert current(checked.root) == "b1"
    assert [(g.version, g.current) for g in list_generations(checked.root)] == [("b2", False), ("b1", True)]
    assert list((checked.root / "staging").iterdir()) == []


def test_the_first_version_that_does_not_start_leaves_nothing_current(world: World):
    add(world, "b1", exit_code=3)
    with pytest.raises(HealthCheckError, match="nothing is current"):
        world.install()
    assert current(world.root) is None


def test_what_failed_is_kept_and_checked_again_without_a_download(checked: World):
    checked.install()
    switch = checked.folder / "works"
    core = engine("b2")
    waiting = f"#!/bin/sh\n[ -e {switch} ] || exit 9\n".encode() + core.files["bin/llama-server"]
    checked.build("b2", (dataclasses.replace(core, files={**core.files, "bin/llama-server": waiting}), CPU),
                  health=health("b2"))  # fmt: skip
    checked.publish()
    with pytest.raises(HealthCheckError):
        checked.install()
    services = checked.services()
    with pytest.raises(HealthCheckError):
        checked.install(services=services)
    assert services.downloader.brought == []
    switch.touch()
    outcome = checked.install(services=services)
    assert (outcome.version, outcome.generation, outcome.health.passed) == ("b2", 2, True)
    assert services.downloader.brought == []


def test_versions_that_fail_do_not_pile_up(checked: World):
    checked.install()
    for version in ("b2", "b3", "b4", "b5"):
        add(checked, version, exit_code=1)
        with pytest.raises(HealthCheckError):
            checked.install(keep=2)
    assert [g.version for g in list_generations(checked.root)] == ["b5", "b1"]


def test_a_device_that_was_promised_and_is_not_seen_fails(checked: World):
    add(checked, "b2", expect=r"^CUDA\d+: ")
    with pytest.raises(HealthCheckError, match=r"promised, but the engine sees CPU"):
        checked.install()
    assert current(checked.root) is None


def test_another_version_than_the_one_that_was_signed_fails(checked: World):
    checked.build("b2", (engine("b3"), CPU), health=health("b2"))
    checked.publish()
    with pytest.raises(HealthCheckError, match="does not say the version"):
        checked.install()


def test_without_a_check_everything_is_switched_to(checked: World):
    add(checked, "b2", exit_code=3)
    outcome = checked.install(health=HealthWish("none"))
    assert (outcome.version, outcome.health.level, outcome.health.passed) == ("b2", "none", None)


def test_a_bundle_that_does_not_say_how_is_not_checked_and_that_is_said(published: World):
    services = published.services()
    outcome = published.install(services=services)
    assert (outcome.health.passed, outcome.health.reason) == (None, "its manifest entry does not say how")
    assert any("is not checked: its manifest entry does not say how" in text for text in notices(services))


def test_for_another_machine_nothing_is_started_and_that_is_said(world: World):
    add(world, "b1", exit_code=3)
    services = world.services(host=FixedHost())
    outcome = world.install(services=services, check_host=False)
    assert (outcome.version, outcome.health.passed) == ("b1", None)
    assert "--no-check-host" in outcome.health.reason
    assert any("--no-check-host" in text for text in notices(services))


def test_what_is_current_already_is_not_started_again(checked: World):
    checked.install()
    outcome = checked.install()
    assert (outcome.changed, outcome.health.passed, outcome.health.reason) == (False, None, "it was current already")


def test_a_dry_run_starts_nothing(checked: World):
    assert checked.install(dry_run=True).health is None


def test_a_model_answers_before_the_switch(world: World):
    add(world, "b1", serves=True)
    outcome = world.install(health=HealthWish(RUN, model(world)))
    assert (outcome.health.level, outcome.health.passed, outcome.health.generated_tokens) == (RUN, True, 4)


def test_an_engine_that_makes_a_model_answers_without_one(making: World):
    outcome = making.install(health=HealthWish(RUN))
    assert (outcome.health.passed, outcome.health.generated_tokens) == (True, 4)
    assert outcome.health.ready_seconds > 0
    assert outcome.health.resident_bytes > 1 << 20
    assert list((making.root / "staging").iterdir()) == []


def test_an_engine_that_cannot_answer_what_it_made_is_never_current(making: World):
    make(making, "b2", fault="no stream")
    making.install(version="b1", health=HealthWish(RUN))
    with pytest.raises(
        HealthCheckError,
        match=r"generation 2\) fails .* b1 \(generation 1\) stays current: the server was asked for a stream",
    ):
        making.install(health=HealthWish(RUN))
    assert current(making.root) == "b1"


def test_an_install_with_a_run_that_has_no_model_is_refused_before_anything_is_brought(checked: World):
    with pytest.raises(UsageError, match="needs a model"):
        checked.install(health=HealthWish(RUN))
    assert list_generations(checked.root) == ()


def test_a_switch_with_a_run_that_has_no_model_is_refused(broken: World):
    use(broken.root, "b2", services=broken.services(), disk=broken.disk, how=Switching(HealthWish("none")))
    with pytest.raises(UsageError, match="needs a model"):
        long(broken, "b1", Switching(HealthWish(RUN)))
    assert current(broken.root) == "b2"


def test_a_model_that_is_none_fails_with_the_servers_last_words(world: World):
    add(world, "b1", serves=True)
    with pytest.raises(HealthCheckError, match="not a GGUF file"):
        world.install(health=HealthWish(RUN, model(world, b"something else")))
    assert current(world.root) is None


def test_a_bundle_that_serves_nothing_cannot_be_asked(world: World):
    silent = health("b1").model_copy(update={"server_args": ()})
    world.build("b1", (engine("b1"), CPU), health=silent)
    world.publish()
    with pytest.raises(HealthCheckError, match="serves nothing"):
        world.install(health=HealthWish(RUN, model(world)))


def test_programs_get_an_environment_of_their_own(world: World):
    seen = world.folder / "seen"
    core = engine("b1")
    listing = b"#!/bin/sh\n(env; pwd) >>%b\n" % str(seen).encode() + core.files["bin/llama-server"]
    world.build("b1", (dataclasses.replace(core, files={**core.files, "bin/llama-server": listing}), CPU),
                health=health("b1"))  # fmt: skip
    world.publish()
    services = dataclasses.replace(
        world.services(), base_env={"PATH": "/usr/bin:/bin", "SECRET": "s"}, device_env={"VK_DRIVER_FILES": "/icd"}
    )
    world.install(services=services)
    text = seen.read_text()
    assert "SECRET" not in text
    assert "VK_DRIVER_FILES=/icd" in text
    home = world.root / "staging"
    assert f"HOME={home}/" in text
    assert not list(home.iterdir())


def test_an_artifact_whose_check_names_a_program_that_is_not_there_is_refused(world: World):
    wrong = health("b1").model_copy(update={"device_program": "bin/llama-bench"})
    world.build("b1", (engine("b1"), CPU), health=wrong)
    world.publish()
    with pytest.raises(IntegrityError, match="llama-bench"):
        world.install()
    assert list_generations(world.root) == ()


@pytest.fixture
def broken(checked: World) -> World:
    """A world where b2, which does not work, was installed without a check, and b1 after it."""
    add(checked, "b2", exit_code=3)
    checked.install(health=HealthWish("none"))
    checked.install(version="b1")
    return checked


def quick(world: World, version: str | None, how: Switching) -> dict[str, object] | None:
    return quick_switch(world.root, version, how=how, services=world.services, disk=world.disk, jobs=1)


def long(world: World, version: str | None, how: Switching) -> dict[str, object]:
    services = world.services()
    if version is None:
        return rollback(world.root, services=services, disk=world.disk, how=how).model_dump(mode="json")
    return use(world.root, version, services=services, disk=world.disk, how=how).model_dump(mode="json")


@pytest.mark.parametrize("version", ["b2", None])
@pytest.mark.parametrize("way", [quick, long])
def test_a_switch_to_what_does_not_work_is_refused(broken: World, version: str | None, way):
    with pytest.raises(HealthCheckError, match=r"generation 1\) fails .* b1 \(generation 2\) stays current"):
        way(broken, version, Switching())
    assert current(broken.root) == "b1"
    assert list((broken.root / "staging").iterdir()) == []
    assert way(broken, version, Switching(HealthWish("none")))["version"] == "b2"


@pytest.mark.parametrize("way", [quick, long])
def test_a_switch_says_what_the_programs_said(broken: World, way):
    use(broken.root, "b2", services=broken.services(), disk=broken.disk, how=Switching(HealthWish("none")))
    found = way(broken, "b1", Switching())["health"]
    assert found.pop("seconds") >= 0
    assert found == {
        "level": "load", "passed": True, "reason": "", "version": "version: b1", "devices": ["CPU"],
        "generated_tokens": None, "ready_seconds": None, "resident_bytes": None,
    }  # fmt: skip


@pytest.mark.parametrize("way", [quick, long])
def test_a_root_for_another_machine_is_switched_without_a_check(broken: World, way):
    found = way(broken, "b2", Switching(HealthWish("load", platform="macos-arm64")))
    assert found["version"] == "b2"
    assert found["health"]["reason"] == "it is for linux-x86_64, and this machine is macos-arm64"


def test_a_switch_with_a_model_goes_the_long_way(broken: World):
    assert quick(broken, "b2", Switching(HealthWish(RUN, model(broken)))) is None


def test_after_gc_the_failed_version_is_gone_and_what_runs_is_not(broken: World):
    gc(broken.root, services=broken.services(), disk=broken.disk, keep=2)
    assert current(broken.root) == "b1"
