from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tuf.api.metadata import TargetFile

from pipeline.deploy.verify import verify
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest import Artifact
from pipeline.model.manifest_document import read_manifest, write_manifest
from pipeline.model.publication import PublishOutcome
from pipeline.model.repository_layout import blob_path
from pipeline.model.verification import VerifyReport
from pipeline.publish.key_changes import rotate
from pipeline.publish.repository import refresh
from pipeline.publish.signing import moment, sign_changes
from pipeline.publish.state import read_state
from pipeline.publish.statements import StatementSigning
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


def renew_engine_keys(world: World) -> None:
    rotate(world.keys, "engines", replaced=(), new=(), passphrase=None, now=world.clock.now_seconds())


@pytest.mark.parametrize("again", ["publish", "refresh"])
def test_other_keys_of_the_engine_sign_what_is_published_again(stated: World, again: str):
    before = published(stated)
    payload = envelope(stated)["payload"]
    renew_engine_keys(stated)
    outcome = stated.publish() if again == "publish" else refreshed(stated)
    assert (outcome.changed, outcome.added, outcome.replaced) == (True, (), ())
    after = published(stated)
    assert (after.is_same_build(before), after.provenance == before.provenance) == (True, False)
    assert envelope(stated)["payload"] == payload
    assert check(stated).ok
    assert stated.publish().changed is False


def test_a_dry_run_says_that_something_would_be_signed_again(stated: World):
    renew_engine_keys(stated)
    before = {p for p in stated.repository.rglob("*") if p.is_file()}
    assert stated.publish(dry_run=True).changed is True
    assert {p for p in stated.repository.rglob("*") if p.is_file()} == before


def test_what_nobody_here_can_sign_again_is_said_and_stays(stated: World):
    before = published(stated)
    renew_engine_keys(stated)
    listing = json.loads((stated.keys_dir / "keys.json").read_text())
    for entry in listing["roles"]["engines"]["keys"]:
        (stated.keys_dir / entry["file"]).unlink()
        entry["file"] = None
    (stated.keys_dir / "keys.json").write_text(json.dumps(listing))
    state_now = read_state(stated.repository, trusted_root=stated.trusted_root)
    stating = StatementSigning(state_now, stated.repository, stated.keys, policy=None, now=moment(1), dry_run=False)
    said: list[str] = []
    assert stating.run(None, warn=said.append).published["llama.cpp"].artifacts == (before,)
    assert "llama.cpp/linux-x86_64-cpu b1" in said[0]


def test_an_envelope_that_was_lost_is_made_again_from_the_statement(stated: World):
    place = stated.repository / str(published(stated).provenance)
    data = place.read_bytes()
    place.unlink()
    stated.publish()
    assert place.read_bytes() == data  # ed25519 signs the same each time
    assert check(stated).ok


def test_a_bill_that_is_not_published_leaves_no_file(stated: World):
    path = stated.folder / "dist/llama.cpp-b1-cpu.cdx.json"
    path.write_text(path.read_text().replace("1.2.3", "1.2.4"))
    before = {p for p in stated.repository.rglob("*") if p.is_file()}
    outcome = stated.publish()
    assert (outcome.changed, outcome.blobs_added) == (False, 0)
    assert {p for p in stated.repository.rglob("*") if p.is_file()} == before


def test_the_bill_of_another_bundle_is_not_published(world: World):
    state(world.build("b1"))
    state(world.build("b2"))
    shutil.copy(world.folder / "dist/llama.cpp-b1-cpu.cdx.json", world.folder / "dist/llama.cpp-b2-cpu.cdx.json")
    with pytest.raises(IntegrityError, match="not of the bundle"):
        world.publish()
    assert not (world.repository / "metadata").exists()


def test_any_program_can_check_an_envelope_with_the_key_in_the_metadata(stated: World):
    found = envelope(stated)
    payload, kind = base64.b64decode(found["payload"]), found["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    targets = json.loads((stated.repository / "metadata/1.targets.json").read_text())["signed"]["delegations"]
    (role,) = targets["roles"]
    (signature,) = found["signatures"]
    assert role["keyids"] == [signature["keyid"]]
    public = bytes.fromhex(targets["keys"][signature["keyid"]]["keyval"]["public"])
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature["sig"]), signed)


def test_a_statement_that_is_gone_from_a_dist_folder_is_missing(world: World):
    dist = world.build("b1")
    state(dist)
    (dist / "llama.cpp-b1-cpu.intoto.json").unlink()
    (dist / "llama.cpp-b1-cpu.cdx.json").unlink()
    (dist / "llama.cpp-b1-cpu.cdx.json").symlink_to("/etc/hostname")
    found = {f.path: f.state for f in verify(dist, world.services(), disk=world.disk).findings}
    assert found == {"llama.cpp-b1-cpu.intoto.json": "missing", "llama.cpp-b1-cpu.cdx.json": "changed"}


@pytest.mark.parametrize("name", ["intoto", "cdx"])
def test_a_pipe_in_the_place_of_a_statement_stops_nobody(world: World, name: str):
    dist = world.build("b1")
    state(dist)
    path = dist / f"llama.cpp-b1-cpu.{name}.json"
    path.unlink()
    os.mkfifo(path)
    found = {f.path: f.detail for f in verify(dist, world.services(), disk=world.disk).findings}
    assert found == {path.name: "it is no plain file"}
    with pytest.raises(IntegrityError, match="is not there"):
        world.publish()


@pytest.mark.parametrize("kind", ["provenance", "sbom"])
def test_a_signed_statement_of_another_bundle_is_found(world: World, kind: str):
    state(world.build("b1"))
    state(world.build("b2"))
    world.publish()
    swap(world, kind)
    (finding,) = [f for f in check(world).findings if f.path != "manifest.json"]
    assert (finding.state, "b2" in finding.detail) == ("changed", True)


@pytest.mark.parametrize("kind", ["provenance", "sbom"])
def test_a_statement_that_no_metadata_lists_is_found(world: World, kind: str):
    (world.repository / "notes").mkdir(parents=True)
    state(world.build("b1"))
    world.publish()
    edit_published(world, lambda artifact: artifact.model_copy(update={kind: "notes/x.json"}))
    details = [f.detail for f in check(world).findings if f.path == "notes/x.json"]
    assert any("not signed" in detail for detail in details)


def refreshed(world: World) -> PublishOutcome:
    return refresh(
        to=world.repository,
        keys=world.keys,
        services=world.services(),
        disk=world.disk,
        now=world.clock.now_seconds(),
    )


def swap(world: World, kind: str) -> None:
    """Sign a manifest whose b2 names a statement of b1, as a publisher who errs might."""
    first = next(a for a in artifacts(world) if a.version == "b1")
    edit_published(
        world,
        lambda a: a.model_copy(update={kind: getattr(first, kind)}) if a.version == "b2" else a,
    )


def edit_published(world: World, change: Callable[[Artifact], Artifact]) -> None:
    """Publish an altered manifest with right signatures."""
    found = read_state(world.repository, trusted_root=world.trusted_root)
    manifest = found.manifests["llama.cpp"]
    data = write_manifest(map(change, manifest.artifacts), release=manifest.release, created=manifest.created)
    blob = world.repository / blob_path(sha256_bytes(data))
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(data)
    target = TargetFile.from_data("engines/llama.cpp/manifest.json", data, ["sha256"])
    signed = sign_changes(
        found,
        {**found.published, target.path: target},
        keys=world.keys,
        now=moment(world.clock.now_seconds()),
    )
    for metadata in signed:
        (world.repository / "metadata" / metadata.filename).write_bytes(metadata.data)


def artifacts(world: World) -> tuple[Artifact, ...]:
    return read_manifest((world.repository / "manifest.json").read_bytes()).artifacts
