from __future__ import annotations

from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Targets

from pipeline.deploy.mirror.lanes import lane_blobs
from pipeline.deploy.trust import TrustedRepository
from pipeline.deploy.verify import report_error, verify
from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.repository_layout import BUILDERS_FIELD, blob_path
from pipeline.system.clock import SystemClock
from tests.simulators.engine_world import World
from tests.simulators.hand_clock import HandClock
from tests.simulators.mirrors import held, lane_keys, mirrored, sealed

DAY = 86400
LANE = Path("lanes/airgap/metadata")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture
def clock() -> HandClock:
    return HandClock(SystemClock().now_seconds())


@pytest.fixture
def part(tmp_path: Path, clock: HandClock, mirror: Path) -> World:
    """A mirror with b2 of a repository with b1 and b2."""
    world = World(tmp_path, clock=clock)
    world.build("b1")
    world.build("b2")
    world.publish()
    mirrored(world, mirror)
    return world


def airgap_root(world: World) -> bytes:
    return (world.folder / "lane-keys/root.json").read_bytes()


def install(world: World, mirror: Path, **changes: object) -> bytes:
    fields = {"location": str(mirror), "trusted_root": airgap_root(world)} | changes
    return world.run(world.install(**fields))


def lane_versions(mirror: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (mirror / LANE).iterdir()}


def test_a_sealed_mirror_installs_long_after_the_publishers_metadata_expired(part, mirror, clock):
    outcome = sealed(part, mirror)
    assert (outcome.lane, outcome.artifacts) == ("airgap", ("llama.cpp/linux-x86_64-cpu b2",))
    clock.seconds += 110 * DAY
    with pytest.raises(TrustError, match="expired"):
        install(part, mirror, trusted_root=part.trusted_root, root=part.folder / "other")
    assert install(part, mirror) == b"#!/bin/sh\necho core b2\n"


def test_an_expired_lane_is_refused(part, mirror, clock):
    sealed(part, mirror, days=90)
    clock.seconds += 91 * DAY
    with pytest.raises(TrustError, match="expired") as caught:
        install(part, mirror)
    assert caught.value.exit_code == 8


def test_the_lane_offers_what_is_held_and_nothing_else(part, mirror):
    sealed(part, mirror)
    services = part.services()
    with TrustedRepository.open(
        str(mirror),
        state_dir=part.folder / "trust",
        trusted_root=airgap_root(part),
        services=services,
        disk=part.disk,
    ) as repository:
        manifest = repository.manifest("llama.cpp")
        signed = set(repository.signed_files())
    assert [artifact.version for artifact in manifest.artifacts] == ["b2"]
    assert manifest.artifacts == read_manifest((mirror / "manifest.json").read_bytes()).artifacts
    blobs = {path.name for path in (mirror / "blobs").glob("*/*")}
    artifact = manifest.artifacts[0]
    assert signed - blobs == {layer.sha256 for layer in artifact.layers if layer.optional}, "signed and not held"
    assert len(blobs - signed) == 1, "the publisher's manifest"


def test_the_publishers_keys_for_statements_travel_in_the_lane(part, mirror):
    sealed(part, mirror)
    newest = max((mirror / LANE).glob("*.targets.json"))
    targets = Metadata[Targets].from_bytes(newest.read_bytes()).signed
    published = Metadata[Targets].from_bytes(max((mirror / "metadata").glob("*.targets.json")).read_bytes()).signed
    role = published.delegations.roles["engine-llama.cpp"]
    assert targets.unrecognized_fields[BUILDERS_FIELD] == {
        "engine-llama.cpp": {
            "threshold": role.threshold,
            "keys": {keyid: published.delegations.keys[keyid].to_dict() for keyid in role.keyids},
        }
    }


def test_sealing_twice_changes_nothing(part, mirror):
    assert sealed(part, mirror).changed
    before = held(mirror)
    assert not sealed(part, mirror).changed
    assert held(mirror) == before


def test_a_third_of_the_lifetime_renews_it(part, mirror, clock):
    sealed(part, mirror)
    part.publish(now=clock.now_seconds())
    clock.seconds += 3 * DAY
    assert not sealed(part, mirror).changed
    clock.seconds += 38 * DAY
    part.publish()  # signs again what has expired
    mirrored(part, mirror)
    outcome = sealed(part, mirror)
    assert outcome.changed
    assert outcome.versions["timestamp"] == 2
    assert install(part, mirror) == b"#!/bin/sh\necho core b2\n"


def test_what_is_new_is_sealed_and_no_version_is_lowered(part, mirror):
    first = sealed(part, mirror)
    part.build("b3")
    part.publish()
    mirrored(part, mirror)
    assert install(part, mirror) == b"#!/bin/sh\necho core b2\n", "the old lane holds until it is sealed again"
    second = sealed(part, mirror)
    assert all(second.versions[role] >= version for role, version in first.versions.items())
    assert second.versions["timestamp"] == 2
    assert install(part, mirror) == b"#!/bin/sh\necho core b3\n"
    mirrored(part, mirror)
    assert verify(mirror, part.services(), disk=part.disk, trusted_root=airgap_root(part)).ok
    lists = [path for path in (mirror / "blobs").glob("*/*") if path.read_bytes().startswith(b"{")]
    assert len(lists) == 2, "the publisher's manifest and the lane's new one; its old one is gone"


def test_a_lane_that_is_put_back_is_refused(part, mirror):
    sealed(part, mirror)
    old = lane_versions(mirror)
    install(part, mirror)
    part.build("b3")
    part.publish()
    mirrored(part, mirror)
    sealed(part, mirror)
    install(part, mirror)
    (mirror / LANE / "timestamp.json").write_bytes(old["timestamp.json"])
    with pytest.raises(TrustError):
        install(part, mirror)


@pytest.mark.parametrize("days", [0, 89, 181, 10_000])
def test_other_lifetimes_are_refused_with_the_reason(part, mirror, days):
    with pytest.raises(UsageError) as caught:
        sealed(part, mirror, days=days)
    assert "90 to 180" in caught.value.hint
    assert not (mirror / "lanes").exists()


def test_keys_of_a_repository_seal_nothing(part, mirror):
    with pytest.raises(UsageError, match="keys of its own"):
        sealed(part, mirror, keys=part.keys)


def test_development_keys_seal_only_when_that_is_allowed(part, mirror):
    with pytest.raises(TrustError, match="development"):
        sealed(part, mirror, allow_development=False)
    assert not (mirror / "lanes").exists()


def test_other_keys_never_sign_over_a_lane(part, mirror):
    sealed(part, mirror)
    before = held(mirror)
    with pytest.raises(TrustError):
        sealed(part, mirror, keys=lane_keys(part, "others"))
    assert held(mirror) == before


def test_a_damaged_or_expired_mirror_is_not_sealed(part, mirror, clock):
    damaged = max((mirror / "blobs").glob("*/*"), key=lambda path: path.stat().st_size)
    data = damaged.read_bytes()
    damaged.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(IntegrityError):
        sealed(part, mirror)
    damaged.write_bytes(data)
    clock.seconds += 8 * DAY
    with pytest.raises(TrustError, match="expired"):
        sealed(part, mirror)
    assert not (mirror / "lanes").exists()


def test_a_dry_run_signs_nothing_there(part, mirror):
    before = held(mirror)
    outcome = sealed(part, mirror, dry_run=True)
    assert (outcome.changed, outcome.dry_run) == (True, True)
    assert held(mirror) == before


def test_an_expired_mirror_with_a_fresh_lane_verifies_and_says_so(part, mirror, clock):
    sealed(part, mirror)
    clock.seconds += 60 * DAY
    verifier = part.services(part.folder / "verifier")
    report = verify(mirror, verifier, disk=part.disk, trusted_root=part.trusted_root)
    assert report.ok
    assert not report.trusted
    assert any("airgap" in note for note in report.notes)
    trusted = verify(mirror, verifier, disk=part.disk, trusted_root=airgap_root(part))
    assert (trusted.ok, trusted.trusted) == (True, True)
    clock.seconds += 61 * DAY
    with pytest.raises(TrustError, match="expired"):
        verify(mirror, verifier, disk=part.disk, trusted_root=part.trusted_root)


def test_a_flipped_byte_of_a_lanes_metadata_is_found(part, mirror):
    sealed(part, mirror)
    for path in sorted((mirror / LANE).iterdir()):
        data = path.read_bytes()
        path.write_bytes(data.replace(b'"_type"', b'"_tyqe"', 1))
        report = verify(mirror, part.services(), disk=part.disk, trusted_root=part.trusted_root)
        assert [finding.state for finding in report.findings] == ["changed"], path
        path.write_bytes(data)


def other_bytes(data: bytes) -> dict[str, bytes]:
    """Return what a file may have become, by what happened to it."""
    return {
        "emptied": b"",
        "cut short": data[: len(data) // 2],
        "no JSON": b"X" + data[1:],
        "another value": data.replace(b'"version"', b'"versiom"', 1),
        "longer": data + b" ",
    }


@pytest.mark.parametrize("role", ["targets", "engine-llama.cpp", "snapshot"])
def test_damaged_metadata_that_trust_goes_through_is_one_error_whatever_happened_to_it(part, mirror, role):
    sealed(part, mirror)
    path = mirror / LANE / f"1.{role}.json"
    data = path.read_bytes()
    for what, damaged in other_bytes(data).items():
        path.write_bytes(damaged)
        with pytest.raises(TrustError):
            found(part, mirror, by_lane=True)
        with pytest.raises(TrustError):
            install(part, mirror, root=part.folder / f"root-{what}")
    path.unlink()
    with pytest.raises(IntegrityError, match="is not there"):
        found(part, mirror, by_lane=True)


def test_a_lane_is_mirrored_by_its_root(part, mirror, tmp_path):
    sealed(part, mirror)
    second = tmp_path / "second"
    mirrored(part, second, source=str(mirror), trusted_root=airgap_root(part))
    assert {path.name: path.read_bytes() for path in (second / LANE).iterdir()} == lane_versions(mirror)
    assert install(part, second) == b"#!/bin/sh\necho core b2\n"


def found(world: World, mirror: Path, *, by_lane: bool) -> dict[str, str]:
    root = airgap_root(world) if by_lane else world.trusted_root
    report = verify(mirror, world.services(), disk=world.disk, trusted_root=root)
    return {finding.path: finding.state for finding in report.findings}


@pytest.mark.parametrize("by_lane", [True, False], ids=["the lane's root", "the publisher's root"])
def test_every_file_of_a_lane_is_looked_at_whichever_root_is_trusted(part: World, mirror: Path, *, by_lane: bool):
    sealed(part, mirror)
    assert found(part, mirror, by_lane=by_lane) == {}
    report = verify(mirror, part.services(), disk=part.disk, trusted_root=airgap_root(part))
    assert report.by_folder["lanes"].files == len(list((mirror / LANE).iterdir()))
    (mirror / "lanes/other").mkdir()
    (mirror / "lanes/other/y").write_text("x")
    (mirror / "lanes/z").write_text("x")
    assert found(part, mirror, by_lane=by_lane) == {"lanes/other/y": "unexpected", "lanes/z": "unexpected"}
    damaged = mirror / LANE / "1.engine-llama.cpp.json"
    damaged.write_bytes(damaged.read_bytes() + b"x")
    if by_lane:
        with pytest.raises(TrustError):
            found(part, mirror, by_lane=by_lane)
    else:
        assert any(path.startswith("lanes/airgap") for path in found(part, mirror, by_lane=by_lane))


def half_made(mirror: Path) -> None:
    """Leave what a first seal leaves that dies before its last file."""
    (mirror / LANE / "timestamp.json").unlink()
    (mirror / LANE / "1.snapshot.json").unlink()


@pytest.mark.parametrize("whose", ["the same keys", "other keys"])
def test_what_a_first_seal_left_that_died_is_replaced(part, mirror, whose):
    sealed(part, mirror, keys=lane_keys(part, "earlier") if whose == "other keys" else None)
    half_made(mirror)
    sealed(part, mirror)
    assert found(part, mirror, by_lane=True) == {}
    assert {path.name.partition(".")[0] for path in (mirror / LANE).iterdir()} == {"1", "timestamp"}
    assert install(part, mirror) == b"#!/bin/sh\necho core b2\n"


def test_a_half_made_lane_is_told_and_is_no_damage(part, mirror):
    sealed(part, mirror)
    half_made(mirror)
    report = verify(mirror, part.services(), disk=part.disk, trusted_root=part.trusted_root)
    assert report.ok, report.findings
    assert [note for note in report.notes if "lanes/airgap/metadata has no timestamp" in note]


def test_a_stray_file_in_a_half_made_lane_is_unexpected_and_stays(part, mirror):
    sealed(part, mirror)
    half_made(mirror)
    (mirror / LANE / "notes.txt").write_text("dear")
    with pytest.raises(IntegrityError, match=r"be: lanes/airgap/metadata/notes\.txt \(unexpected\)$"):
        sealed(part, mirror)
    assert (mirror / LANE / "notes.txt").is_file()


@pytest.fixture
def twice(part, mirror) -> World:
    """A lane that was sealed twice, so that it has versions above 1."""
    sealed(part, mirror)
    part.build("b3")
    part.publish()
    mirrored(part, mirror)
    sealed(part, mirror)
    return part


def test_a_whole_lane_that_lost_its_timestamp_is_no_leftover(twice, mirror):
    (mirror / LANE / "timestamp.json").unlink()
    before = held(mirror)
    with pytest.raises(IntegrityError, match=r"be: lanes/airgap/metadata/timestamp\.json \(missing\)$") as caught:
        sealed(twice, mirror)
    assert "mirror seal --anew" in caught.value.hint
    assert held(mirror) == before


@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_whatever_is_damaged_of_a_lane_a_new_one_mends_for_machines_that_knew_it(twice, mirror, fault):
    install(twice, mirror)
    (manifest,) = lane_blobs(mirror, LANE.as_posix()) - lane_blobs(mirror, "metadata")
    roles = ("root", "targets", "engine-llama.cpp", "snapshot")
    names = [blob_path(manifest), f"{LANE}/timestamp.json", *(f"{LANE}/*.{role}.json" for role in roles)]
    for name in names:
        path = max(mirror.glob(name))  # no version has two digits
        if fault == "gone":
            path.unlink()
        else:
            path.write_bytes(b"X" + path.read_bytes()[1:])
        report = verify(mirror, twice.services(), disk=twice.disk, trusted_root=twice.trusted_root)
        assert "mirror seal --anew" in report_error(report).hint, name
        with pytest.raises(IntegrityError):
            sealed(twice, mirror)
        assert sealed(twice, mirror, anew=True).changed
        assert found(twice, mirror, by_lane=False) == {}, name
        assert found(twice, mirror, by_lane=True) == {}, name
        assert install(twice, mirror) == b"#!/bin/sh\necho core b3\n", name


def test_a_lane_made_anew_still_needs_its_own_keys_and_a_whole_mirror(twice, mirror):
    (mirror / LANE / "timestamp.json").write_text("{")
    before = held(mirror)
    with pytest.raises(TrustError, match="signed by other keys"):
        sealed(twice, mirror, keys=lane_keys(twice, "others"), anew=True)
    (mirror / "letters.txt").write_text("dear")
    with pytest.raises(IntegrityError, match=r"letters\.txt \(unexpected\)$") as caught:
        sealed(twice, mirror, anew=True)
    assert caught.value.hint == "remove what is unexpected"
    (mirror / "letters.txt").unlink()
    assert held(mirror) == before
