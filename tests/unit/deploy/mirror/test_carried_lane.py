"""A lane travels with the mirror, and whoever has its root needs no fresh signature of the publisher's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from pipeline.deploy.mirror.export import export_mirror
from pipeline.deploy.mirror.import_check import RollbackError
from pipeline.deploy.mirror.importing import import_export
from pipeline.errors import TrustError
from pipeline.model.mirror_export import ImportOutcome
from pipeline.model.repository_layout import LANE_FIELD
from tests.simulators.engine_world import World


@pytest.fixture
def lane(tmp_path: Path) -> World:
    """Return somebody with the keys of a lane."""
    (tmp_path / "lane").mkdir()
    world = World(tmp_path / "lane")
    root = Metadata[Root].from_bytes(world.trusted_root)
    root.signed.unrecognized_fields[LANE_FIELD] = "airgap"
    root.signatures.clear()
    for signer in world.keys.signers("root"):
        root.sign(signer, append=True)
    world.trusted_root = root.to_bytes()
    (world.keys_dir / "root.json").write_bytes(world.trusted_root)
    return world


def seal(world: World, lane: World, version: str) -> None:
    """Add a lane with that version to a repository whose own timestamp has expired."""
    for each in (world, lane):
        each.build(version)
    world.publish(now=world.clock.now_seconds() - 10 * 86400)
    lane.publish()
    shutil.copytree(lane.repository / "lanes", world.repository / "lanes", dirs_exist_ok=True)
    shutil.copytree(lane.repository / "blobs", world.repository / "blobs", dirs_exist_ok=True)


def carry(world: World, disk: Path, mirror: Path, *, root: bytes) -> ImportOutcome:
    if not disk.exists():
        services = world.services(world.folder / "exporter")
        export_mirror(world.repository, disk, services=services, disk=world.disk, part_size=50_000)
    services = world.services(world.folder / "importer")
    return import_export([disk], mirror, trusted_root=root, services=services, disk=world.disk)


def test_with_the_lanes_root_an_expired_repository_is_imported_and_installs(world, lane, tmp_path):
    seal(world, lane, "b1")
    mirror = tmp_path / "mirror"
    with pytest.raises(TrustError, match="expired"):
        carry(world, tmp_path / "usb", mirror, root=world.trusted_root)
    outcome = carry(world, tmp_path / "usb", mirror, root=lane.trusted_root)
    assert (outcome.complete, outcome.timestamp) == (True, 1)
    assert (mirror / "metadata/timestamp.json").read_bytes() == (
        world.repository / "metadata/timestamp.json"
    ).read_bytes()
    assert world.install(location=str(mirror), trusted_root=lane.trusted_root).version == "b1"


@pytest.mark.parametrize("stale", ["metadata", "lanes/airgap/metadata"])
def test_no_lane_goes_back_whichever_root_is_given(world, lane, tmp_path, stale):
    seal(world, lane, "b1")
    shutil.copytree(world.repository / stale, tmp_path / "stale")
    seal(world, lane, "b2")
    mirror = tmp_path / "mirror"
    carry(world, tmp_path / "new", mirror, root=lane.trusted_root)
    shutil.rmtree(world.repository / stale)
    shutil.copytree(tmp_path / "stale", world.repository / stale)
    with pytest.raises(RollbackError):
        carry(world, tmp_path / "old", mirror, root=lane.trusted_root)
    assert world.install(location=str(mirror), trusted_root=lane.trusted_root).version == "b2"


def test_a_root_of_a_lane_that_was_not_carried_is_refused(published, lane, tmp_path):
    with pytest.raises(TrustError) as caught:
        carry(published, tmp_path / "usb", tmp_path / "mirror", root=lane.trusted_root)
    assert "airgap" in caught.value.message
