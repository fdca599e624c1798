from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.deploy.mirror.completed import last_sync
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.usage import mirror_usage
from pipeline.deploy.verify import report_error, verify
from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.model.verification import VerifyReport
from pipeline.system.clock import SystemClock
from tests.simulators.engine_world import World
from tests.simulators.hand_clock import HandClock
from tests.simulators.mirrors import held, mirrored
from tests.simulators.revoking import revoke

DAY = 86400


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture
def part(world: World, mirror: Path) -> World:
    """A mirror with b2 of a repository with b1 and b2."""
    world.build("b1")
    world.build("b2")
    world.publish()
    mirrored(world, mirror)
    return world


def check(world: World, mirror: Path, **choices: object) -> VerifyReport:
    fields = {"trusted_root": world.trusted_root} | choices
    return verify(mirror, world.services(world.folder / "verifier"), disk=world.disk, **fields)


def states(report: VerifyReport) -> dict[str, str]:
    return {finding.path: finding.state for finding in report.findings}


def test_what_the_selection_does_not_want_is_not_missing(part, mirror):
    report = check(part, mirror)
    assert report.ok, report.findings
    assert (report.kind, report.trusted) == ("mirror", True)
    assert not check(part, mirror, trusted_root=None).trusted


def test_any_one_file_that_goes_is_missing(part, mirror):
    for path, data in held(mirror).items():
        if path == "README.txt":
            continue
        (mirror / path).unlink()
        try:
            report = check(part, mirror)
            assert not report.ok or path == "manifest.json", path
            assert states(report).get(path) == "missing" or path == "manifest.json", path
        except (IntegrityError, TrustError):
            assert path.startswith("metadata/"), path
        (mirror / path).write_bytes(data)
    assert check(part, mirror).ok


def test_any_flipped_byte_is_a_change(part, mirror):
    for path, data in held(mirror).items():
        if path == "README.txt":
            continue
        (mirror / path).write_bytes(bytes([data[0] ^ 1]) + data[1:])
        try:
            found = states(check(part, mirror))
            assert found[path] == "changed", path
            assert set(found) <= {path, "manifest.json"}, "a copy for people is not believed without its manifest"
        except (IntegrityError, TrustError):
            assert path.startswith("metadata/"), path
        (mirror / path).write_bytes(data)


def test_what_does_not_belong_there_is_unexpected(part, mirror):
    for path in ("letters.txt", "blobs/ab/notes", "metadata/notes.txt", "models/other.gguf"):
        (mirror / path).parent.mkdir(exist_ok=True)
        (mirror / path).write_text("dear")
    found = states(check(part, mirror))
    assert found == dict.fromkeys(
        ("letters.txt", "blobs/ab/notes", "metadata/notes.txt", "models/other.gguf"), "unexpected"
    )
    assert report_error(check(part, mirror)).hint == "remove what is unexpected"
    (mirror / "manifest.json").unlink()
    (mirror / "mirror.json").unlink()
    assert "mirror sync --repair" in report_error(check(part, mirror)).hint


def test_a_repairing_sync_mends_whatever_a_sync_has_written(part, mirror):
    part.build("b3")
    part.publish()
    mirrored(part, mirror)
    assert len(list((mirror / "metadata").glob("*.snapshot.json"))) == 2, "the version before is kept"
    for path, data in held(mirror).items():
        (mirror / path).write_bytes(bytes([data[0] ^ 1]) + data[1:])
        mirrored(part, mirror, repair=True)
        assert check(part, mirror).ok, path
        (mirror / path).unlink(missing_ok=True)
        mirrored(part, mirror)
        assert check(part, mirror).ok, path


@pytest.mark.parametrize("fault", ["lost", "damaged"])
def test_where_mirror_json_is_no_more_the_last_sync_says_what_is_held(part, mirror, fault):
    layout = MirrorLayout(mirror)
    before = last_sync(layout)
    if fault == "lost":
        layout.document_path.unlink()
    else:
        layout.document_path.write_bytes(b"{")
    assert last_sync(layout) == before
    layout.completed_path.unlink()
    with pytest.raises(UsageError) as caught:
        last_sync(layout)
    assert "mirror create --from" in caught.value.hint
    mirrored(part, mirror)
    assert check(part, mirror).ok


def test_mirror_json_that_lists_what_no_manifest_has_is_a_change(part, mirror):
    path = mirror / "mirror.json"
    document = json.loads(path.read_text())
    document["artifacts"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(document))
    assert states(check(part, mirror))["mirror.json"] == "changed"


def test_an_expired_mirror_is_said_to_be_that(tmp_path, mirror):
    clock = HandClock(SystemClock().now_seconds())
    world = World(tmp_path, clock=clock)
    world.build("b1")
    world.publish()
    mirrored(world, mirror)
    clock.seconds += 8 * DAY
    with pytest.raises(TrustError, match="expired") as caught:
        check(world, mirror)
    assert caught.value.exit_code == 8


def test_a_mirror_that_was_begun_and_never_completed_is_refused(part, tmp_path):
    (tmp_path / "begun/.mirror").mkdir(parents=True)
    with pytest.raises(IntegrityError):
        check(part, tmp_path / "begun", trusted_root=None)
    with pytest.raises(UsageError):
        mirror_usage(tmp_path / "begun")


def test_space_is_counted_by_target_version_and_kind(world, mirror):
    world.build("b1")
    world.build("b2")
    world.publish()
    mirrored(world, mirror, keep=2)
    usage = mirror_usage(mirror)
    stored = sum(len(data) for data in held(mirror).values())
    assert (usage.artifacts, usage.stored_bytes) == (2, stored)
    artifacts = MirrorLayout(mirror).require_document().artifacts
    assert [row.name for row in usage.targets] == ["llama.cpp/linux-x86_64-cpu"]
    assert [row.name for row in usage.versions] == ["b2", "b1"]
    manifest = json.loads((mirror / "manifest.json").read_text())["artifacts"]
    backend = next(layer["size"] for layer in manifest[0]["layers"] if layer["name"] == "cpu")
    assert usage.shared_bytes == backend, "the backend is the same in both versions and is there once"
    assert usage.logical_bytes == stored + backend
    for row, artifact in zip(usage.versions, reversed(manifest), strict=True):
        whole = artifact["size"] + sum(layer["size"] for layer in artifact["layers"] if not layer["optional"])
        assert (row.artifacts, row.logical_bytes, row.own_bytes) == (1, whole, whole - backend)
    assert len(artifacts) == 2
    assert sum(row.own_bytes for row in usage.kinds) == stored
    assert {row.name for row in usage.kinds} == {"bundle", "layer", "list", "metadata"}


REVOKED = ("llama.cpp/linux-x86_64-cpu b2 was revoked at 2026-11-25T12:00:00Z: it computes wrongly",)


def test_a_revoked_build_that_is_held_is_told_by_verify_and_is_no_damage(part, mirror):
    assert check(part, mirror).revoked == ()
    revoke(part, "b1", "b2")
    assert mirrored(part, mirror).revoked == REVOKED
    report = check(part, mirror)
    assert (report.ok, report.revoked) == (True, REVOKED), "b1 is revoked and not held"


def test_every_sync_tells_of_revoked_builds_that_are_held(part, mirror):
    revoke(part, "b2")
    assert mirrored(part, mirror, dry_run=True).revoked == REVOKED
    mirrored(part, mirror)
    again = mirrored(part, mirror)
    assert (again.changed, again.revoked) == (False, REVOKED)
    assert mirrored(part, mirror, releases=("b1",)).revoked == ()
