"""``mirror create``, ``sync``, ``verify``, ``du`` and ``seal`` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.simulators.engine_world import World
from tests.simulators.mirrors import lane_keys
from tests.simulators.revoking import revoke


@pytest.fixture
def repository(world: World) -> Path:
    """A repository with 1, 2 and, of avx2, 2."""
    world.build("2")
    world.build("2", accel="avx2")
    world.publish()
    return world.repository


@pytest.fixture
def root_file(world: World) -> Path:
    return world.keys_dir / "root.json"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def create(repository: Path, mirror: Path, root_file: Path, *options: object) -> tuple[object, ...]:
    return ("mirror", "create", "--from", repository, "--to", mirror, "--trusted-root", root_file, *options)


def test_a_mirror_is_made_synced_verified_and_installed_from(user, repository, mirror, root_file, root):
    made = user.json(*create(repository, mirror, root_file, "--target", "*-cpu,*-avx2"))
    assert made["added"] == ["llama.cpp/linux-x86_64-avx2 2", "llama.cpp/linux-x86_64-cpu 2"]
    assert "up to date: 2 artifacts" in user.ok("mirror", "sync", mirror)
    report = user.json("mirror", "verify", mirror)
    assert (report["kind"], report["ok"], report["trusted"]) == ("mirror", True, True)
    assert user.json("verify", mirror, "--trusted-root", root_file)["kind"] == "mirror"
    user.ok("install", "linux-x86_64-cpu", "--from", mirror, "--root", root, "--trusted-root", root_file)


def test_sync_repeats_what_the_mirror_says_until_an_option_changes_it(user, repository, mirror, root_file):
    user.ok(*create(repository, mirror, root_file, "--target", "linux-x86_64-cpu", "--release", "1"))
    assert [a["version"] for a in json.loads((mirror / "mirror.json").read_text())["artifacts"]] == ["1"]
    said = user.ok("mirror", "sync", mirror, "--keep", "1")
    assert "added    llama.cpp/linux-x86_64-cpu 2" in said
    assert "holds 2 artifacts" in said
    selection = json.loads((mirror / "mirror.json").read_text())["selection"]
    assert (selection["keep"], selection["releases"]) == (1, ["1"])
    assert not user.json("mirror", "sync", mirror)["changed"]


def test_a_dry_run_lists_files_and_writes_nothing(user, repository, mirror, root_file):
    said = user.ok(*create(repository, mirror, root_file, "--dry-run"))
    assert "would add    llama.cpp/linux-x86_64-cpu 2" in said
    assert "to bring" in said
    assert not mirror.exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--target", "macos-*"), 3),
        (("--release", "17"), 3),
        (("--model", "gemma"), 3),
        (("--release", "../1"), 2),
        (("--keep", "0"), 2),
        (("--installer-python", "2.7"), 2),
        (("--installer-platform", "plan9"), 2),
        (("--without-installer", "--installer-python", "3.12"), 2),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_held(user, repository, mirror, root_file, options, code):
    assert user.run(*create(repository, mirror, root_file, *options)) == code
    assert not (mirror / "metadata").exists()


def test_a_folder_that_is_no_mirror_is_refused_by_all(user, repository, tmp_path, root_file):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/a.txt").write_text("dear")
    assert user.run(*create(repository, tmp_path / "letters", root_file)) == 2
    for name in ("sync", "verify", "du"):
        assert user.run("mirror", name, tmp_path / "letters") == 2
    assert user.run("mirror", "seal", tmp_path / "letters", "--keys", tmp_path) == 2
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["a.txt"]


def test_a_source_that_is_not_there_is_refused(user, mirror, root_file, tmp_path):
    assert user.run(*create(tmp_path / "nowhere", mirror, root_file)) == 2


def test_damage_is_named_and_repaired(user, repository, mirror, root_file):
    user.ok(*create(repository, mirror, root_file))
    damaged = max((mirror / "blobs").glob("*/*"), key=lambda path: path.stat().st_size)
    data = damaged.read_bytes()
    damaged.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert user.run("mirror", "verify", mirror) == 7
    assert damaged.name in user.out
    assert "--repair" in user.err
    assert not user.json("mirror", "sync", mirror)["changed"]
    assert user.json("mirror", "sync", mirror, "--repair")["files_added"] == 1
    user.ok("mirror", "verify", mirror)


@pytest.mark.parametrize("fault", ["lost", "damaged"])
def test_a_mirror_json_that_is_no_more_is_written_again_by_the_next_sync(user, repository, mirror, root_file, fault):
    user.ok(*create(repository, mirror, root_file, "--target", "*-avx2", "--keep", "2"))
    document = mirror / "mirror.json"
    before = json.loads(document.read_text())
    if fault == "lost":
        document.unlink()
    else:
        document.write_text("{")
    assert user.run("mirror", "verify", mirror) == 7
    assert "mirror sync --repair" in user.err
    user.ok("mirror", "sync", mirror, "--repair")
    after = json.loads(document.read_text())
    assert {**after, "changed_at": ""} == {**before, "changed_at": ""}
    user.ok("mirror", "verify", mirror)


def test_space_is_shown_by_target_version_and_kind(user, repository, mirror, root_file):
    user.ok(*create(repository, mirror, root_file, "--keep", "2"))
    said = user.ok("mirror", "du", mirror)
    assert "3 artifacts" in said
    usage = user.json("mirror", "du", mirror)
    assert usage["shared_bytes"] == usage["logical_bytes"] - usage["stored_bytes"] > 0
    assert [row["name"] for row in usage["versions"]] == ["2", "1"]


def test_a_mirror_is_sealed_and_installed_from_by_the_lanes_root(user, world, repository, mirror, root_file, root):
    user.ok(*create(repository, mirror, root_file))
    keys = lane_keys(world).folder
    arguments = ("mirror", "seal", mirror, "--keys", keys)
    assert user.run(*arguments) == 8, "development keys"
    assert user.run(*arguments, "--allow-development", "--days", "30") == 2
    assert not (mirror / "lanes").exists()
    said = user.ok(*arguments, "--allow-development", "--days", "90")
    assert "lane airgap" in said
    assert "is sealed already" in user.ok(*arguments, "--allow-development", "--days", "90")
    user.ok("install", "linux-x86_64-cpu", "--from", mirror, "--root", root, "--trusted-root", keys / "root.json")
    user.ok("mirror", "sync", mirror)
    user.ok("mirror", "verify", mirror, "--trusted-root", keys / "root.json")


def test_a_damaged_lane_is_sealed_anew_as_the_hint_says(user, world, repository, mirror, root_file):
    user.ok(*create(repository, mirror, root_file))
    arguments = ("mirror", "seal", mirror, "--keys", lane_keys(world).folder, "--allow-development")
    user.ok(*arguments)
    (mirror / "lanes/airgap/metadata/1.snapshot.json").write_text("{")
    assert user.run("mirror", "verify", mirror) == 7
    assert "mirror seal --anew" in user.err
    user.ok(*arguments, "--anew")
    user.ok("mirror", "verify", mirror)


def test_revoked_builds_that_are_held_are_warned_of(user, world, repository, mirror, root_file):
    revoke(world, "2")
    user.ok(*create(repository, mirror, root_file, "--target", "*-cpu"))
    said = "llama.cpp/linux-x86_64-cpu 2 was revoked at 2026-11-25T12:00:00Z: it computes wrongly; the mirror holds it"
    assert said in user.err
    user.ok("mirror", "verify", mirror)
    assert said in user.err
