from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.deploy.verify import verify
from pipeline.model.manifest_document import read_manifest
from pipeline.model.verification import VerifyReport
from pipeline.publish.key_changes import rotate
from tests.simulators.engine_world import World
from tests.simulators.mirrors import mirrored, sealed
from tests.simulators.stating import state


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture
def part(tmp_path: Path, mirror: Path) -> World:
    """A sealed mirror of a bundle with statements."""
    world = World(tmp_path)
    state(world.build("b1"))
    world.publish()
    mirrored(world, mirror)
    sealed(world, mirror)
    return world


def check(world: World, mirror: Path) -> VerifyReport:
    root = (world.folder / "lane-keys/root.json").read_bytes()
    return verify(mirror, world.services(world.folder / "verifier"), disk=world.disk, trusted_root=root)


def test_in_a_lane_the_publishers_own_keys_vouch_for_provenance(part: World, mirror: Path):
    (artifact,) = read_manifest((mirror / "manifest.json").read_bytes()).artifacts
    envelope = json.loads((mirror / str(artifact.provenance)).read_bytes())
    publisher = {entry.keyid for entry in part.keys.listing.roles["engines"].keys}
    lane = json.loads((part.folder / "lane-keys/keys.json").read_text())["roles"]["engines"]["keys"]
    assert {signature["keyid"] for signature in envelope["signatures"]} == publisher
    assert publisher.isdisjoint(key["keyid"] for key in lane)
    report = check(part, mirror)
    assert (report.findings, report.notes) == ((), ())


@pytest.mark.parametrize("kind", ["provenance", "sbom"])
def test_a_statement_that_was_changed_in_a_mirror_is_found(part: World, mirror: Path, kind: str):
    (artifact,) = read_manifest((mirror / "manifest.json").read_bytes()).artifacts
    place = str(getattr(artifact, kind))
    (mirror / place).write_bytes((mirror / place).read_bytes().replace(b"a", b"b", 1))
    assert {(f.path, f.state) for f in check(part, mirror).findings} == {(place, "changed")}


def test_what_other_keys_signed_again_is_synced_and_sealed(part: World, mirror: Path):
    rotate(part.keys, "engines", replaced=(), new=(), passphrase=None, now=part.clock.now_seconds())
    part.publish()
    mirrored(part, mirror)
    sealed(part, mirror)
    assert check(part, mirror).findings == ()
