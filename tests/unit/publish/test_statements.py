from __future__ import annotations

import base64
import json

import pytest

from pipeline.deploy.verify import verify
from pipeline.errors import IntegrityError
from pipeline.model.manifest import Artifact
from pipeline.model.manifest_document import read_manifest
from pipeline.model.verification import VerifyReport
from tests.simulators.engine_world import World
from tests.simulators.stating import state


@pytest.fixture
def stated(world: World) -> World:
    """A world with one bundle in its repository and statements about it."""
    state(world.build("b1"))
    world.publish()
    return world


def published(world: World) -> Artifact:
    (artifact,) = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts
    return artifact


def envelope(world: World) -> dict[str, object]:
    return json.loads((world.repository / str(published(world).provenance)).read_text())


def check(world: World) -> VerifyReport:
    return verify(world.repository, world.services(), disk=world.disk, trusted_root=world.trusted_root)


def test_what_is_published_is_a_signed_envelope_around_the_statement(stated: World):
    found = envelope(stated)
    assert found["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(found["payload"])
    assert payload == (stated.folder / "dist/llama.cpp-b1-cpu.intoto.json").read_bytes()
    keys = {entry.keyid for entry in stated.keys.listing.roles["engines"].keys}
    assert {signature["keyid"] for signature in found["signatures"]} == keys
    assert check(stated).ok
    assert check(stated).notes == ()


def test_publishing_again_signs_nothing_again(stated: World):
    before = {p: p.read_bytes() for p in stated.repository.rglob("*") if p.is_file()}
    assert stated.publish().changed is False
    assert {p: p.read_bytes() for p in stated.repository.rglob("*") if p.is_file()} == before


def test_another_statement_about_the_very_bundle_leaves_the_published_one(stated: World):
    path = stated.folder / "dist/llama.cpp-b1-cpu.intoto.json"
    path.write_text(path.read_text().replace("1.2.3", "1.2.4"))
    outcome = stated.publish()
    assert (outcome.changed, outcome.unchanged) == (False, ("llama.cpp/linux-x86_64-cpu b1",))


def test_a_dry_run_signs_nothing(world: World):
    state(world.build("b1"))
    assert world.publish(dry_run=True).added == ("llama.cpp/linux-x86_64-cpu b1",)
    assert not world.repository.exists()


def test_a_statement_about_other_files_is_not_signed(world: World):
    dist = world.build("b1")
    state(dist)
    path = dist / "llama.cpp-b1-cpu.intoto.json"
    document = json.loads(path.read_text())
    document["subject"][0]["digest"]["sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(IntegrityError, match="about other files"):
        world.publish()
    assert not (world.repository / "metadata").exists()


@pytest.mark.parametrize("text", ["{}", "nonsense", '{"_type": "x", "_type": "x"}', "[" * 100_000])
def test_what_is_no_statement_is_not_signed(world: World, text: str):
    dist = world.build("b1")
    state(dist)
    (dist / "llama.cpp-b1-cpu.intoto.json").write_text(text)
    with pytest.raises(IntegrityError):
        world.publish()


def test_bundles_without_statements_are_named_and_are_no_fault(world: World):
    world.build("b1")
    world.publish()
    report = check(world)
    assert report.ok
    assert "llama.cpp/linux-x86_64-cpu b1" in report.notes[0]


@pytest.mark.parametrize("kind", ["provenance", "sbom"])
def test_a_statement_that_was_changed_is_found_by_its_digest(stated: World, kind: str):
    place = str(getattr(published(stated), kind))
    (stated.repository / place).write_text("{}")
    assert (place, "changed") in {(f.path, f.state) for f in check(stated).findings}


@pytest.mark.parametrize("kind", ["provenance", "sbom"])
def test_a_statement_that_is_gone_is_missing(stated: World, kind: str):
    place = str(getattr(published(stated), kind))
    (stated.repository / place).unlink()
    assert [(f.path, f.state) for f in check(stated).findings] == [(place, "missing")]


def test_a_dist_folder_is_held_against_its_statements(world: World):
    dist = world.build("b1")
    state(dist)

    def faults() -> list[str]:
        return [f.detail for f in verify(dist, world.services(), disk=world.disk).findings]

    assert faults() == []
    for name in ("intoto", "cdx"):
        path = dist / f"llama.cpp-b1-cpu.{name}.json"
        (artifact,) = read_manifest((dist / "manifest.json").read_bytes()).artifacts
        path.write_text(path.read_text().replace(artifact.sha256, "0" * 64))
    assert len(faults()) == 2
    assert all("b1" in fault for fault in faults())
