"""The attack table: one row an attack, each against the real client and a signed repository.

Whatever happens, the error says what kind it is, nothing is installed or switched, what ran before still runs and is
whole. Where the attacker had none of the publisher's keys, the honest repository serves again afterwards.
docs/security.md lists the rows.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import TargetFile

from pipeline.deploy.generations import list_generations
from pipeline.deploy.verify import verify
from pipeline.errors import IntegrityError, NothingSelectedError, PipelineError, TrustError
from pipeline.publish.keys import KeyCount, init_keys
from pipeline.system.keys import PrivateKeyFiles
from tests.simulators.engine_world import World
from tests.simulators.forger import MANIFEST, ROLE, Forger
from tests.simulators.hand_clock import HandClock
from tests.simulators.web import serving

DAY = 86_400
NOW = 1_780_000_000
THRESHOLDS = {
    "root": KeyCount(threshold=2, keys=3),
    "targets": KeyCount(threshold=2, keys=2),
    "engines": KeyCount(threshold=2, keys=2),
}


@dataclass
class Scene:
    """Version b2 runs; b3 is published and was not seen yet; ``old`` is the repository as it was with b1.

    Attributes:
        world: with its clock, which can be moved.
        forger: changes the repository that the world installs from.
        old: folder of the old repository.
    """

    world: World
    forger: Forger
    old: Path

    def old_metadata(self, role: str) -> bytes:
        return Forger(self.old, self.forger.keys).path(role).read_bytes()


@dataclass(frozen=True)
class Attack:
    """One row.

    Attributes:
        error: class that the installation ends with.
        act: what the attacker does.
        keyless: whether none of the publisher's keys is used.
    """

    error: type[PipelineError]
    act: Callable[[Scene], object]
    keyless: bool


ATTACKS: dict[str, Attack] = {}


def attack(error: type[PipelineError], *, keys: str = "") -> Callable[[Callable[[Scene], object]], object]:
    """Add a row; ``keys`` says which of the publisher's keys the attacker has."""

    def add(act: Callable[[Scene], object]) -> object:
        ATTACKS[act.__name__.replace("_", " ")] = Attack(error, act, keyless=not keys)
        return act

    return add


# --- bytes -----------------------------------------------------------------------------------------------------------


def flip(path: Path, position: int = -5) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


@attack(IntegrityError)
def a_byte_of_a_layer_is_flipped(scene: Scene) -> None:
    flip(scene.forger.layer("core"))


@attack(IntegrityError)
def a_layer_is_truncated(scene: Scene) -> None:
    layer = scene.forger.layer("core")
    layer.write_bytes(layer.read_bytes()[:-1])


@attack(IntegrityError)
def bytes_are_appended_to_a_layer(scene: Scene) -> None:
    layer = scene.forger.layer("core")
    layer.write_bytes(layer.read_bytes() + b"\0" * 4096)


@attack(IntegrityError)
def a_layer_is_empty(scene: Scene) -> None:
    scene.forger.layer("core").write_bytes(b"")


@attack(IntegrityError)
def a_layer_is_another_layer(scene: Scene) -> None:
    shutil.copy(scene.forger.layer("core", "b1"), scene.forger.layer("core", "b3"))


@attack(IntegrityError)
def a_layer_is_gone(scene: Scene) -> None:
    scene.forger.layer("core").unlink()


@attack(IntegrityError)
def a_layer_is_a_link_out_of_the_repository(scene: Scene) -> None:
    layer = scene.forger.layer("core")
    outside = scene.world.folder / "outside"
    shutil.move(layer, outside)
    layer.symlink_to(outside)


@attack(IntegrityError)
def a_byte_of_the_manifest_is_changed(scene: Scene) -> None:
    blob = scene.forger.blob_of(MANIFEST)
    blob.write_bytes(blob.read_bytes().replace(b'"b3"', b'"b4"'))


@attack(IntegrityError)
def the_manifest_is_truncated(scene: Scene) -> None:
    blob = scene.forger.blob_of(MANIFEST)
    blob.write_bytes(blob.read_bytes()[:-1])


@attack(IntegrityError)
def the_manifest_goes_on_without_end(scene: Scene) -> None:
    with scene.forger.blob_of(MANIFEST).open("ab") as stream:
        stream.truncate(1 << 34)  # a hole: nothing of it is on the disk


@attack(IntegrityError)
def the_manifest_is_an_older_one(scene: Scene) -> None:
    shutil.copy(Forger(scene.old, scene.forger.keys).blob_of(MANIFEST), scene.forger.blob_of(MANIFEST))


# --- signatures ------------------------------------------------------------------------------------------------------


@attack(TrustError)
def the_timestamp_is_edited(scene: Scene) -> None:
    scene.forger.edit("timestamp", lambda one: one["signed"].update(expires="2099-01-01T00:00:00Z"))


@attack(TrustError)
def the_snapshot_is_edited(scene: Scene) -> None:
    scene.forger.edit("snapshot", lambda one: one["signed"].update(expires="2099-01-01T00:00:00Z"))


@attack(TrustError, keys="of the targets role before the edit, snapshot, timestamp")
def the_targets_metadata_is_edited(scene: Scene) -> None:
    scene.forger.sign("targets")  # the version that the client keeps it does not ask for again
    scene.forger.edit("targets", lambda one: one["signed"].update(expires="2099-01-01T00:00:00Z"))


@attack(TrustError)
def the_metadata_of_an_engine_is_edited(scene: Scene) -> None:
    scene.forger.edit(ROLE, lambda one: one["signed"].update(expires="2099-01-01T00:00:00Z"))


@attack(IntegrityError)
def the_timestamp_is_truncated(scene: Scene) -> None:
    path = scene.forger.path("timestamp")
    path.write_bytes(path.read_bytes()[:-1])


@attack(IntegrityError)
def the_timestamp_goes_on_without_end(scene: Scene) -> None:
    with scene.forger.path("timestamp").open("ab") as stream:
        stream.truncate(1 << 34)


def stranger() -> list[CryptoSigner]:
    return [CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()]


@attack(TrustError)
def the_timestamp_is_signed_with_foreign_keys(scene: Scene) -> None:
    scene.forger.sign("timestamp", signers=stranger())


@attack(TrustError, keys="timestamp")
def the_snapshot_is_signed_with_foreign_keys(scene: Scene) -> None:
    scene.forger.sign("snapshot", signers=stranger())


@attack(TrustError, keys="snapshot, timestamp")
def the_targets_metadata_is_signed_with_foreign_keys(scene: Scene) -> None:
    scene.forger.sign("targets", signers=stranger())


@attack(TrustError, keys="snapshot, timestamp")
def the_metadata_of_an_engine_is_signed_with_foreign_keys(scene: Scene) -> None:
    scene.forger.sign(ROLE, signers=stranger())


@attack(TrustError, keys="one of two of targets, snapshot, timestamp")
def the_targets_metadata_is_signed_by_too_few(scene: Scene) -> None:
    scene.forger.sign("targets", signers=scene.forger.signers("targets")[:1])


@attack(TrustError, keys="one of two of the engine, snapshot, timestamp")
def the_metadata_of_an_engine_is_signed_by_too_few(scene: Scene) -> None:
    scene.forger.sign(ROLE, signers=scene.forger.signers(ROLE)[:1])


def twice(data: bytes) -> bytes:
    document = json.loads(data)
    document["signatures"] *= 2
    return json.dumps(document).encode()


@attack(IntegrityError, keys="one of two of the engine, snapshot, timestamp")
def one_key_signs_twice(scene: Scene) -> None:
    scene.forger.sign(ROLE, signers=scene.forger.signers(ROLE)[:1], data=twice)


@attack(TrustError, keys="of another engine, snapshot, timestamp")
def the_metadata_of_an_engine_is_signed_with_the_keys_of_another(scene: Scene) -> None:
    other = scene.forger.add_role("engine-other", paths=["engines/other/*"])
    scene.forger.sign(ROLE, signers=[other])


@attack(TrustError, keys="snapshot, timestamp")
def the_metadata_of_an_engine_is_that_of_another(scene: Scene) -> None:
    scene.forger.add_role("engine-other", paths=["engines/other/*"])
    data = scene.forger.path("engine-other").read_bytes()
    scene.forger.put(ROLE, scene.forger.load(ROLE).signed.version + 1, data)


@attack(TrustError, keys="snapshot, timestamp")
def targets_metadata_stands_for_that_of_an_engine(scene: Scene) -> None:
    scene.forger.put(ROLE, scene.forger.load("targets").signed.version, scene.forger.path("targets").read_bytes())


@attack(TrustError, keys="one of three of root")
def a_new_root_is_signed_by_too_few(scene: Scene) -> None:
    scene.forger.sign("root", signers=scene.forger.signers("root")[:1])


@attack(TrustError)
def a_new_root_is_signed_with_foreign_keys(scene: Scene) -> None:
    scene.forger.sign("root", signers=[*stranger(), *stranger()])


@attack(TrustError, keys="root")
def a_new_root_skips_a_version(scene: Scene) -> None:
    scene.forger.sign("root", bump=2)
    shutil.move(scene.forger.metadata_dir / "3.root.json", scene.forger.metadata_dir / "2.root.json")


@attack(TrustError)
def everything_is_another_repository(scene: Scene) -> None:
    folder = scene.world.folder / "elsewhere"
    folder.mkdir()
    other = World(folder, clock=scene.world.clock)
    other.build("b9")
    other.publish()
    shutil.rmtree(scene.world.repository)
    shutil.copytree(other.repository, scene.world.repository)


@attack(TrustError)
def a_lane_with_its_own_keys_stands_for_the_repository(scene: Scene) -> None:
    folder = scene.world.folder / "lane"
    folder.mkdir()
    lane = World(folder, clock=scene.world.clock)
    lane.build("b9")
    lane.publish()
    shutil.rmtree(scene.forger.metadata_dir)
    shutil.copytree(lane.repository / "metadata", scene.forger.metadata_dir)


# --- time ------------------------------------------------------------------------------------------------------------


@attack(TrustError)
def an_old_mirror_is_shown_again(scene: Scene) -> None:
    shutil.rmtree(scene.world.repository)
    shutil.copytree(scene.old, scene.world.repository)


@attack(TrustError)
def the_timestamp_is_an_older_one(scene: Scene) -> None:
    scene.forger.path("timestamp").write_bytes(scene.old_metadata("timestamp"))


@attack(TrustError, keys="timestamp")
def the_snapshot_is_an_older_one(scene: Scene) -> None:
    scene.forger.put("snapshot", 1, scene.old_metadata("snapshot"))


@attack(TrustError, keys="snapshot, timestamp")
def the_targets_metadata_is_an_older_one(scene: Scene) -> None:
    scene.forger.sign("targets")
    scene.world.install(version="b2")  # it has seen version 2
    scene.forger.put("targets", 1, scene.old_metadata("targets"))


@attack(TrustError, keys="snapshot, timestamp")
def the_metadata_of_an_engine_is_an_older_one(scene: Scene) -> None:
    scene.forger.put(ROLE, 1, scene.old_metadata(ROLE))


@attack(TrustError, keys="snapshot, timestamp")
def an_engine_vanishes_from_the_snapshot(scene: Scene) -> None:
    scene.forger.sign("snapshot", lambda metadata: metadata.signed.meta.pop(f"{ROLE}.json"))


@attack(TrustError)
def the_repository_is_frozen(scene: Scene) -> None:
    scene.world.clock.seconds += 8 * DAY


@attack(TrustError, keys="timestamp")
def the_snapshot_is_frozen(scene: Scene) -> None:
    scene.world.clock.seconds += 31 * DAY
    scene.forger.sign("timestamp", lambda metadata: later(metadata, scene))


@attack(TrustError, keys="snapshot, timestamp")
def an_engine_is_frozen(scene: Scene) -> None:
    scene.world.clock.seconds += 91 * DAY
    scene.forger.sign("snapshot", lambda metadata: later(metadata, scene))
    scene.forger.sign("timestamp", lambda metadata: later(metadata, scene))


def later(metadata, scene: Scene) -> None:
    metadata.signed.expires += timedelta(seconds=scene.world.clock.seconds - NOW)


@attack(TrustError)
def the_clock_is_set_back(scene: Scene) -> None:
    scene.world.clock.seconds -= DAY


@attack(TrustError)
def an_old_snapshot_with_newer_targets(scene: Scene) -> None:
    path = scene.forger.path("snapshot")
    path.write_bytes(scene.old_metadata("snapshot"))


@attack(TrustError)
def an_old_engine_with_a_newer_snapshot(scene: Scene) -> None:
    scene.forger.path(ROLE).write_bytes(scene.old_metadata(ROLE))


@attack(TrustError, keys="timestamp")
def a_newer_snapshot_of_another_moment_with_targets_of_this_one(scene: Scene) -> None:
    """The snapshot lists a version of the engine's role that was never published."""
    scene.forger.sign("snapshot", lambda metadata: setattr(metadata.signed.meta[f"{ROLE}.json"], "version", 2))


# --- rightly signed, and wrong ---------------------------------------------------------------------------------------


@attack(IntegrityError, keys="of the engine, snapshot, timestamp")
def a_signed_manifest_speaks_of_another_engine(scene: Scene) -> None:
    manifest = scene.forger.manifest()
    for artifact in manifest["artifacts"]:
        artifact["engine"] = "other"
    scene.forger.publish_manifest(json.dumps(manifest).encode())


@attack(IntegrityError, keys="of the engine, snapshot, timestamp")
def a_signed_manifest_names_a_layer_that_is_not_signed(scene: Scene) -> None:
    manifest = scene.forger.manifest()
    evil = scene.forger.blob(b"evil")
    manifest["artifacts"][-1]["layers"][0] |= {"sha256": evil.hashes["sha256"], "size": evil.length}
    scene.forger.publish_manifest(json.dumps(manifest).encode())


@attack(IntegrityError, keys="of the engine, snapshot, timestamp")
def a_signed_layer_is_no_archive(scene: Scene) -> None:
    manifest = scene.forger.manifest()
    evil = scene.forger.blob(b"evil" * 1000)
    manifest["artifacts"][-1]["layers"][0] |= {"sha256": evil.hashes["sha256"], "size": evil.length}
    scene.forger.list_target(f"engines/llama.cpp/{evil.hashes['sha256']}", evil)
    scene.forger.publish_manifest(json.dumps(manifest).encode())


@attack(IntegrityError, keys="of the engine, snapshot, timestamp")
def a_signed_layer_is_not_the_tree_that_the_manifest_names(scene: Scene) -> None:
    manifest = scene.forger.manifest()
    manifest["artifacts"][-1]["layers"][0]["tree_sha256"] = "0" * 64
    scene.forger.publish_manifest(json.dumps(manifest).encode())


@attack(TrustError, keys="of the engine, snapshot, timestamp")
def a_signed_digest_is_a_path(scene: Scene) -> None:
    target = scene.forger.load(ROLE).signed.targets[MANIFEST]
    scene.forger.list_target(MANIFEST, TargetFile(target.length, {"sha256": "../../../etc/passwd"}, MANIFEST))


@attack(TrustError, keys="of the engine, snapshot, timestamp")
def a_target_is_signed_without_a_sha256(scene: Scene) -> None:
    target = scene.forger.load(ROLE).signed.targets[MANIFEST]
    scene.forger.list_target(MANIFEST, TargetFile(target.length, {"md5": "0" * 32}, MANIFEST))


@attack(TrustError, keys="targets, snapshot, timestamp")
def a_role_is_called_as_a_file_of_the_client_is(scene: Scene) -> None:
    scene.forger.add_role("last-known-time", paths=["engines/*/*"], first=True, terminating=False)


@attack(NothingSelectedError, keys="of another engine, snapshot, timestamp")
def an_engine_speaks_outside_of_its_path(scene: Scene) -> None:
    """Only another engine's role lists the manifest; nobody asks it about that path."""
    other = scene.forger.add_role("engine-other", paths=["engines/other/*"])
    blob = scene.forger.blob_of(MANIFEST).read_bytes()
    listed = TargetFile.from_data(MANIFEST, blob, ["sha256"])
    scene.forger.sign(
        "engine-other", lambda metadata: metadata.signed.targets.update({MANIFEST: listed}), signers=[other]
    )
    scene.forger.sign(ROLE, lambda metadata: metadata.signed.targets.pop(MANIFEST))


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacks")
    init_keys(folder / "keys", passphrase=None, key_files=PrivateKeyFiles(), now=NOW, thresholds=THRESHOLDS)
    world = World(folder, clock=HandClock(NOW))
    world.build("b1")
    world.publish()
    world.install()
    shutil.copytree(world.repository, folder / "old")
    world.build("b2")
    world.publish()
    world.install()
    world.build("b3")
    world.publish()
    return folder


@pytest.fixture
def scene(template: Path, tmp_path: Path) -> Scene:
    folder = tmp_path / "world"
    shutil.copytree(template, folder, symlinks=True)
    world = World(folder, clock=HandClock(NOW))
    return Scene(world, Forger(world.repository, world.keys), folder / "old")


def what_runs(world: World) -> tuple[object, ...]:
    """Return every generation, which is current, and the bytes of the programs, after checking that all is whole."""
    report = verify(world.root, world.services(world.folder / "verifier"), disk=world.disk)
    assert (report.ok, report.findings) == (True, ())
    read = [path for top in ("current", "generations") for path in sorted((world.root / top).rglob("*"))]
    kept = {str(path.relative_to(world.root)): path.read_bytes() for path in read if path.is_file()}
    return list_generations(world.root), kept


@pytest.mark.parametrize("name", ATTACKS)
def test_refused(scene: Scene, name: str):
    row, world = ATTACKS[name], scene.world
    before = what_runs(world)
    honest = world.folder / "honest"
    shutil.copytree(world.repository, honest)
    row.act(scene)
    with pytest.raises(row.error) as caught:
        world.install()
    assert type(caught.value).exit_code == row.error.exit_code
    assert what_runs(world) == before
    assert list((world.root / "staging").iterdir()) == []
    if row.keyless:
        world.clock.seconds = NOW
        assert world.install(location=str(honest)).version == "b3"


@pytest.mark.parametrize("name", ["a byte of a layer is flipped", "a layer is truncated", "the timestamp is edited"])
def test_refused_from_a_server_as_well(scene: Scene, name: str):
    before = what_runs(scene.world)
    ATTACKS[name].act(scene)
    with serving(scene.world.repository) as (url, _), pytest.raises(ATTACKS[name].error):
        scene.world.install(location=url)
    assert what_runs(scene.world) == before


def test_without_an_attack_the_new_version_is_installed(scene: Scene):
    """The control: what every row starts from is no attack."""
    assert scene.world.install().version == "b3"
    assert [one.version for one in what_runs(scene.world)[0] if one.current] == ["b3"]


def test_the_forger_signs_rightly(scene: Scene):
    """The control of the rows with keys: the same signatures over something honest are taken."""
    scene.forger.publish_manifest(json.dumps(scene.forger.manifest(), indent=1).encode())
    assert scene.world.install().version == "b3"


def test_the_table_of_the_documentation_names_every_row():
    text = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
    assert [name for name in ATTACKS if f"| {name} |" not in text] == []
