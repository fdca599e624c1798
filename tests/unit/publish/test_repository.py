from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import HostError, IntegrityError, NoSpaceError, NothingSelectedError, TrustError, UsageError
from pipeline.model.manifest_document import read_manifest, write_manifest
from pipeline.model.publication import PublishOutcome
from pipeline.publish.key_kinds import from_pem, to_pem
from pipeline.publish.keys import open_keys
from pipeline.publish.repository import publish, refresh
from pipeline.system.keys import PrivateKeyFiles
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import CPU, FixedHost, LayerFiles, World, core, services_for
from tests.simulators.environment_world import EnvironmentWorld
from tests.simulators.stating import state

DAY = 86_400


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def engines(world: World) -> dict[str, dict[str, object]]:
    newest = max(
        (world.repository / "metadata").glob("*.engine-llama.cpp.json"), key=lambda p: int(p.name.split(".")[0])
    )
    return json.loads(newest.read_text())["signed"]["targets"]


def edit_manifest(dist: Path, **changes: object) -> None:
    manifest = read_manifest((dist / "manifest.json").read_bytes())
    (artifact,) = manifest.artifacts
    changed = artifact.model_copy(update=changes)
    (dist / "manifest.json").write_bytes(write_manifest([changed], release="r", created=manifest.created))


def test_the_published_folder_has_metadata_blobs_and_a_copy_for_people(world: World):
    world.build("b1")
    outcome = world.publish()
    assert (outcome.changed, outcome.added) == (True, ("llama.cpp/linux-x86_64-cpu b1",))
    assert outcome.versions == {"root": 1, "targets": 1, "engine-llama.cpp": 1, "snapshot": 1, "timestamp": 1}
    names = {p.relative_to(world.repository).as_posix() for p in world.repository.rglob("*") if p.is_file()}
    assert {n for n in names if not n.startswith("blobs/")} == {
        ".publish.lock",
        "README.txt",
        "manifest.json",
        *(f"metadata/{n}.json" for n in ("1.root", "1.targets", "1.engine-llama.cpp", "1.snapshot", "timestamp")),
    }
    blobs = [n for n in names if n.startswith("blobs/")]
    assert len(blobs) == 5  # bundle, three layers, manifest
    for name in blobs:
        digest = sha256_bytes((world.repository / name).read_bytes())
        assert name == f"blobs/{digest[:2]}/{digest}"


def test_every_file_is_a_target_with_its_name(world: World):
    world.build("b1")
    world.publish()
    targets = engines(world)
    assert all(path.startswith("engines/llama.cpp/") for path in targets)
    assert sorted(t["custom"]["name"].split("-")[0] for t in targets.values()) == [
        "core",
        "core",
        "cpu",
        "llama.cpp",
        "manifest.json",
    ]


def test_the_copy_for_people_names_blobs_and_says_that_it_is_unsigned(world: World):
    world.build("b1")
    world.publish()
    (artifact,) = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts
    for url in (artifact.url, *(layer.url for layer in artifact.layers)):
        assert (world.repository / url).is_file()
    assert "UNSIGNED" in (world.repository / "README.txt").read_text()


def test_lifetimes(world: World):
    world.build("b1")
    now = world.clock.now_seconds()
    outcome = world.publish(now=now)
    lifetimes = {role: datetime.fromisoformat(end).timestamp() - now for role, end in outcome.expires.items()}
    assert {role: lifetimes[role] / DAY for role in ("targets", "engine-llama.cpp", "snapshot", "timestamp")} == {
        "targets": 365,
        "engine-llama.cpp": 90,
        "snapshot": 30,
        "timestamp": 7,
    }
    path = world.repository / "metadata/timestamp.json"
    assert json.loads(path.read_text())["signed"]["expires"] == outcome.expires["timestamp"]


def test_publishing_again_changes_nothing(world: World):
    world.build("b1")
    world.publish()
    before = snapshot(world.repository)
    outcome = world.publish()
    assert (outcome.changed, outcome.added, outcome.unchanged) == (False, (), ("llama.cpp/linux-x86_64-cpu b1",))
    assert snapshot(world.repository) == before


def test_a_timestamp_that_expires_soon_is_signed_again_and_nothing_else(world: World):
    world.build("b1")
    now = world.clock.now_seconds()
    world.publish(now=now)
    outcome = world.publish(now=now + 5 * DAY)
    assert outcome.changed
    assert outcome.versions == {"root": 1, "targets": 1, "engine-llama.cpp": 1, "snapshot": 1, "timestamp": 2}


def test_a_refresh_signs_what_expires_soon(world: World):
    world.build("b1")
    now = world.clock.now_seconds()
    world.publish(now=now)

    def later(days: int) -> PublishOutcome:
        return refresh(
            to=world.repository, keys=world.keys, services=world.services(), disk=world.disk, now=now + days * DAY
        )

    assert later(1).changed is False
    assert later(25).versions == {"root": 1, "targets": 1, "engine-llama.cpp": 1, "snapshot": 2, "timestamp": 2}
    assert later(80).versions == {"root": 1, "targets": 1, "engine-llama.cpp": 2, "snapshot": 3, "timestamp": 3}
    assert later(80).changed is False


def test_versions_of_an_engine_gather_in_one_manifest(world: World):
    world.build("b1", dist="one")
    world.publish("one")
    world.build("b2", dist="two", release="2026.12.0")
    outcome = world.publish("two")
    assert outcome.versions == {"root": 1, "targets": 1, "engine-llama.cpp": 2, "snapshot": 2, "timestamp": 2}
    manifest = read_manifest((world.repository / "manifest.json").read_bytes())
    assert ([a.version for a in manifest.artifacts], manifest.release) == (["b1", "b2"], "2026.12.0")
    assert outcome.blobs_added == 2  # bundle and core: the backend and the debug files are there


def test_what_the_disk_cannot_hold_is_not_begun_and_both_figures_are_named(world: World):
    world.build("b1")
    services = services_for(world.folder / "publisher", clock=world.clock, host=FixedHost(free=1))
    for dry_run in (False, True):
        with pytest.raises(NoSpaceError, match="repository has 0 MB free and this needs 0 MB"):
            publish(
                dist=world.folder / "dist", to=world.repository, keys=world.keys, services=services, disk=world.disk,
                now=world.clock.now_seconds(), dry_run=dry_run, allow_development=True,
            )  # fmt: skip
    assert not (world.repository / "metadata").exists()
    assert not (world.repository / "blobs").exists()


def test_an_environment_with_and_one_without_its_python_are_two_builds_of_one_version(tmp_path):
    world = EnvironmentWorld(tmp_path)
    world.build_environment("1.0", dist="whole")
    world.build_environment("1.0", packages=(), dist="wheels-only")
    world.publish("whole")
    with pytest.raises(UsageError, match="published artifacts never change"):
        world.publish("wheels-only")
    assert world.publish("wheels-only", replace=True).replaced == ("mlx-lm/linux-x86_64-mlx 1.0",)


def test_a_rebuild_under_a_published_version_is_refused(world: World):
    world.build("b1", dist="one")
    world.publish("one")
    before = snapshot(world.repository)
    world.build("b1", (core("other"), CPU), dist="two")
    with pytest.raises(UsageError, match="published artifacts never change"):
        world.publish("two")
    assert snapshot(world.repository) == before
    outcome = world.publish("two", replace=True)
    assert outcome.replaced == ("llama.cpp/linux-x86_64-cpu b1",)
    assert world.install().layers[0].download_bytes > 0


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda path: path.unlink(), "is not there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "the manifest says"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"X"), "sha256 is"),
    ],
    ids=["missing", "short", "changed"],
)
@pytest.mark.parametrize("dry_run", [False, True], ids=["publish", "dry run"])
def test_a_file_that_is_not_what_the_manifest_says_stops_everything(world: World, damage, match: str, *, dry_run: bool):
    dist = world.build("b1")
    damage(next((dist / "layers").glob("cpu-*")))
    with pytest.raises(IntegrityError, match=match):
        world.publish(dry_run=dry_run)
    assert not (world.repository / "blobs").exists()
    assert not (world.repository / "metadata").exists()
    assert not (world.repository / ".staging").exists()


def test_a_dry_run_tells_what_would_be_added(world: World):
    world.build("b1")
    outcome = world.publish(dry_run=True)
    assert (outcome.changed, outcome.added, outcome.blobs_added) == (True, ("llama.cpp/linux-x86_64-cpu b1",), 4)
    assert not world.repository.exists()


def test_files_elsewhere_are_not_published(world: World):
    dist = world.build("b1")
    edit_manifest(dist, url="https://example.com/bundle.tar.zst")
    with pytest.raises(UsageError, match=r"names https://example\.com"):
        world.publish()


def test_an_empty_or_missing_dist(world: World):
    with pytest.raises(UsageError, match=r"has no manifest\.json"):
        world.publish()
    (world.folder / "dist").mkdir()
    (world.folder / "dist/manifest.json").write_bytes(write_manifest([], release="r", created="2026-11-22T00:00:00Z"))
    with pytest.raises(NothingSelectedError, match="lists no bundle"):
        world.publish()


def test_a_bill_of_materials_travels_as_a_target(world: World):
    dist = world.build("b1")
    state(dist)
    bill = (dist / "llama.cpp-b1-cpu.cdx.json").read_bytes()
    world.publish()
    (artifact,) = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts
    assert (world.repository / str(artifact.sbom)).read_bytes() == bill
    assert f"engines/llama.cpp/{sha256_bytes(bill)}" in engines(world)
    assert world.publish().changed is False


def test_a_repository_of_other_keys_is_not_touched(world: World):
    world.build("b1")
    world.publish()
    before = snapshot(world.repository)
    other = World(world.folder / "other")
    with pytest.raises(TrustError, match="signed by other keys"):
        publish(
            dist=world.folder / "dist",
            to=world.repository,
            keys=other.keys,
            services=world.services(),
            disk=world.disk,
            now=world.clock.now_seconds(),
            allow_development=True,
        )
    assert snapshot(world.repository) == before


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "1.engine-llama.cpp.json"])
def test_what_somebody_wrote_into_the_metadata_is_not_signed_on(world: World, name: str):
    world.build("b1")
    world.publish()
    path = world.repository / "metadata" / name
    document = json.loads(path.read_text())
    document["signed"]["x-added"] = "evil"
    path.write_text(json.dumps(document))
    world.build("b2")
    with pytest.raises(TrustError, match="signed by"):
        world.publish()


@pytest.mark.parametrize("name", ["1.snapshot.json", "1.targets.json", "1.engine-llama.cpp.json"])
def test_missing_metadata_is_not_made_up(world: World, name: str):
    world.build("b1")
    world.publish()
    (world.repository / "metadata" / name).unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        world.publish()


def test_a_damaged_blob_is_noticed(world: World):
    world.build("b1")
    world.publish()
    blob = next(p for p in (world.repository / "blobs").rglob("*") if p.is_file() and p.read_bytes()[:1] == b"\x28")
    blob.write_bytes(b"short")
    with pytest.raises(IntegrityError, match="has 5 bytes and should have"):
        world.publish()


def test_encrypted_keys_are_needed_only_when_something_is_signed(world: World, tmp_path: Path):
    world.build("b1")
    world.publish()
    for path in world.keys_dir.glob("*.pem"):
        path.write_bytes(to_pem(from_pem(path, path.read_bytes(), None), b"secret"))
    assert world.publish().changed is False
    world.build("b2")
    before = snapshot(world.repository)
    with pytest.raises(UsageError, match="no passphrase"):
        world.publish()
    assert snapshot(world.repository) == before


def test_a_folder_that_cannot_be_written(world: World):
    world.build("b1")
    world.repository = world.folder / "dist/manifest.json/repository"
    with pytest.raises(HostError):
        world.publish()


def test_a_publisher_that_dies_anywhere_leaves_the_old_state_or_the_new(world: World):
    layers = (LayerFiles("core", {"bin/llama-server": b"core b1"}),)
    world.build("b1", layers)
    world.publish()
    world.build("b2", (LayerFiles("core", {"bin/llama-server": b"core b2"}),))
    start = world.folder / "start"
    shutil.move(world.repository, start)
    for number in range(1, 500):
        shutil.rmtree(world.repository, ignore_errors=True)
        shutil.copytree(start, world.repository)
        died = dies_before(number, world.publish)
        shutil.rmtree(world.root, ignore_errors=True)
        seen = world.install().version
        assert seen in {"b1", "b2"}, number
        world.publish()
        assert world.install().version == "b2", number
        assert not (world.repository / ".staging").exists(), number
        if not died:
            break
    assert number > 20


def test_keys_with_a_passphrase_sign(world: World, tmp_path: Path):
    from pipeline.publish.keys import init_keys  # noqa: PLC0415 - only here

    world.keys_dir = tmp_path / "encrypted"
    init_keys(world.keys_dir, passphrase=b"secret", key_files=PrivateKeyFiles(), now=world.clock.now_seconds())
    keys = open_keys(world.keys_dir, passphrase=lambda: b"secret", key_files=PrivateKeyFiles())
    outcome = publish(
        dist=world.build("b1"),
        to=world.repository,
        keys=keys,
        services=world.services(),
        disk=world.disk,
        now=world.clock.now_seconds(),
        allow_development=True,
    )
    assert outcome.changed
    assert b"secret" not in b"".join(snapshot(world.repository).values())
