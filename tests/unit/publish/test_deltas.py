"""Deltas are extras: what is wrong with one stops no publication, and none is signed that nobody could use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.deploy.verify import verify
from pipeline.errors import TrustError
from pipeline.events import Notice, StepStarted
from pipeline.model.repository_layout import blob_path, trees_of_delta_target
from pipeline.publish import deltas
from pipeline.publish.repository import publish
from pipeline.publish.state import read_state
from pipeline.system.archive_members import Limits
from pipeline.system.archives import FileArchiver
from tests.simulators.changing_layers import SIZE, changed, layers, library
from tests.simulators.engine_world import LayerFiles, World, services_for
from tests.simulators.partial_keys import without

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.publication import PublishOutcome
    from pipeline.ports import Services
    from pipeline.publish.key_folder import KeyFolder


def published(world: World, dist: str, services: Services, *, keys: KeyFolder | None = None) -> PublishOutcome:
    return publish(
        dist=world.folder / dist,
        to=world.repository,
        keys=keys or world.keys,
        services=services,
        disk=world.disk,
        now=world.clock.now_seconds(),
        allow_development=True,
        deltas=1,
    )


def warnings(services: Services) -> list[str]:
    return [event.message for event in services.events.events if isinstance(event, Notice)]


def signed_deltas(world: World) -> dict[str, str]:
    state = read_state(world.repository, trusted_root=world.trusted_root)
    return {path: file.hashes["sha256"] for path, file in state.published.items() if trees_of_delta_target(path)}


def test_engines_that_share_a_changed_layer_share_its_delta(world):
    programs = {"llama-server": "bin/llama-server"}
    for version in (1, 2):
        base = LayerFiles("base", {"lib/libpython.so": changed(library(7), version), "bin/llama-server": b"x"})
        for engine in ("llama.cpp", "other"):
            world.build(f"b{version}", (base,), dist=f"d{version}", engine=engine, entry_points=programs)
        outcome = world.publish(f"d{version}", deltas=1)
    assert len(outcome.deltas) == 1
    found = signed_deltas(world)
    assert {path.split("/")[1] for path in found} == {"llama.cpp", "other"}
    assert len(set(found.values())) == 1
    assert verify(world.repository, services_for(world.folder / "v"), disk=world.disk).ok


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [flip, lambda path: path.unlink()], ids=["damaged", "missing"])
def test_an_old_layer_that_is_damaged_or_missing_costs_its_delta_and_no_more(world, damage):
    world.build("b1", layers(1), dist="d1")
    world.publish("d1", deltas=1)
    world.build("b2", layers(2), dist="d2")
    state = read_state(world.repository, trusted_root=world.trusted_root)
    core = next(layer for layer in state.manifests["llama.cpp"].artifacts[0].layers if layer.name == "core")
    damage(world.repository / blob_path(core.sha256))
    services = services_for(world.folder / "publisher")
    outcome = published(world, "d2", services)
    assert outcome.added == ("llama.cpp/linux-x86_64-cpu b2",)
    assert outcome.deltas == ("cpu of llama.cpp/linux-x86_64-cpu b2 from b1",)
    assert any("core of llama.cpp/linux-x86_64-cpu b2 from b1" in text for text in warnings(services))


def test_deltas_beyond_the_budget_are_left_out_and_named(world, monkeypatch):
    world.build("b1", layers(1), dist="d1")
    world.publish("d1")
    world.build("b2", (*layers(2)[1:], layers(2)[0]), dist="d2")
    monkeypatch.setattr(deltas, "BUDGET_BYTES", 2 * SIZE)  # core has two libraries and a program, cpu has one
    services = services_for(world.folder / "publisher")
    outcome = published(world, "d2", services)
    assert outcome.deltas == ("cpu of llama.cpp/linux-x86_64-cpu b2 from b1",)
    assert any(text.startswith("1 delta left out") and "core of" in text for text in warnings(services))


def test_whoever_cannot_sign_hears_of_it_before_deltas_are_made(world):
    for version in (1, 2):
        world.build(f"b{version}", layers(version), dist=f"d{version}")
    world.publish("d1")
    world.build("b2", dist="d2", engine="other", accel="vulkan")  # a new engine, which the policy has to name
    services = services_for(world.folder / "publisher")
    with pytest.raises(TrustError):
        published(world, "d2", services, keys=without(world, "targets"))
    assert not [event for event in services.events.events if isinstance(event, StepStarted)]


def test_a_delta_that_no_host_could_unpack_is_not_signed(world):
    for version in (1, 2):
        files = {f"lib/{number:02}.py": changed(library(number)[:6000], version) for number in range(20)}
        base = LayerFiles("core", files | {"bin/llama-server": b"x"})
        world.build(f"b{version}", (base,), dist=f"d{version}")
    world.publish("d1")
    services = services_for(world.folder / "publisher")
    outcome = published(world, "d2", replace(services, archiver=FileArchiver(Limits(members=60))))
    assert (outcome.deltas, outcome.added) == ((), ("llama.cpp/linux-x86_64-cpu b2",))
    assert signed_deltas(world) == {}
    assert any("no delta of core" in text for text in warnings(services))
