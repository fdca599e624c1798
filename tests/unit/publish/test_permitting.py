"""Rehearsals and partial releases: what is published of them, and what a client takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import PartialReleaseError, RehearsalError
from pipeline.model.manifest_document import read_manifest
from pipeline.publish.permitting import Permitted
from tests.simulators.engine_world import World

REHEARSAL = Permitted(rehearsal=True)


def mark(dist: Path, **fields: object) -> None:
    """Change a manifest: of its artifacts, or with ``partial`` of the whole."""
    path = dist / "manifest.json"
    document = json.loads(path.read_text())
    if "partial" in fields:
        document["partial"] = fields.pop("partial")
    for artifact in document["artifacts"]:
        artifact.update(fields)
    path.write_text(json.dumps(document))


@pytest.fixture
def rehearsed(tmp_path: Path) -> World:
    """A dist folder with a rehearsal."""
    world = World(tmp_path)
    mark(world.build("b1"), rehearsal=True)
    return world


def test_a_rehearsal_is_published_only_where_that_is_asked_for(rehearsed: World):
    with pytest.raises(RehearsalError) as caught:
        rehearsed.publish()
    assert caught.value.exit_code == 2
    assert not rehearsed.repository.exists()
    assert rehearsed.publish(permitted=REHEARSAL).rehearsal


def test_real_bundles_are_not_published_as_a_rehearsal(tmp_path: Path):
    world = World(tmp_path)
    world.build("b1")
    with pytest.raises(RehearsalError):
        world.publish(permitted=REHEARSAL)
    assert not world.publish().rehearsal


def test_a_rehearsal_never_comes_into_a_real_repository(tmp_path: Path):
    world = World(tmp_path)
    world.build("b1")
    world.publish()
    before = (world.repository / "manifest.json").read_bytes()
    mark(world.build("b2", dist="other"), rehearsal=True)
    with pytest.raises(RehearsalError):
        world.publish("other", permitted=REHEARSAL)
    assert (world.repository / "manifest.json").read_bytes() == before


def test_real_bundles_never_come_into_the_repository_of_a_rehearsal(rehearsed: World):
    rehearsed.publish(permitted=REHEARSAL)
    rehearsed.build("b2", dist="other")
    with pytest.raises(RehearsalError):
        rehearsed.publish("other")


def test_a_client_takes_a_rehearsal_only_where_that_is_asked_for(rehearsed: World):
    rehearsed.publish(permitted=REHEARSAL)
    for choices in ({}, {"target": "linux-x86_64-cpu"}, {"dry_run": True}, {"check_host": False, "version": "b1"}):
        with pytest.raises(RehearsalError) as caught:
            rehearsed.install(**choices)
        assert caught.value.exit_code == 2
    assert [*rehearsed.root.rglob("llama-server")] == []
    assert rehearsed.install(rehearsal=True).rehearsal


def test_a_client_that_asks_for_a_rehearsal_takes_nothing_real(tmp_path: Path):
    world = World(tmp_path)
    world.build("b1")
    world.publish()
    with pytest.raises(RehearsalError):
        world.install(rehearsal=True)
    assert not world.install().rehearsal


def test_a_partial_release_is_published_only_where_that_is_asked_for(tmp_path: Path):
    world = World(tmp_path)
    missing = {"target": "llama.cpp/macos-arm64-metal", "version": "b1"}
    mark(world.build("b1"), partial={"missing": [missing]})
    with pytest.raises(PartialReleaseError) as caught:
        world.publish()
    assert "llama.cpp/macos-arm64-metal b1" in caught.value.message
    assert not world.repository.exists()
    outcome = world.publish(permitted=Permitted(partial=True))
    assert outcome.missing == ("llama.cpp/macos-arm64-metal b1",)
    # A repository is never called partial: clients from before there was such a word read it as ever.
    assert read_manifest((world.repository / "manifest.json").read_bytes()).partial is None
    assert world.install().version == "b1"
