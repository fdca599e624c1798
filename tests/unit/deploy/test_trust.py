"""The attack table as far as this room goes: what is signed, by whom, how old, and what happens when it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from pipeline.deploy.generations import list_generations
from pipeline.deploy.trust import TrustedRepository
from pipeline.errors import IntegrityError, NothingSelectedError, PipelineError, TrustError, UsageError
from pipeline.publish.keys import KeyCount, init_keys
from pipeline.system.keys import PrivateKeyFiles
from tests.simulators.engine_world import World
from tests.simulators.hand_clock import HandClock

DAY = 86_400


def flip(path: Path, position: int = -5) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(bytes(data))


def blob_of(world: World, name: str) -> Path:
    """Return the blob of a layer, or of the manifest."""
    manifest = json.loads((world.repository / "manifest.json").read_text())
    layer = next(part for part in manifest["artifacts"][0]["layers"] if part["name"] == name)
    return world.repository / layer["url"]


def manifest_blob(world: World) -> Path:
    engines = max((world.repository / "metadata").glob("*.engine-llama.cpp.json"))
    target = json.loads(engines.read_text())["signed"]["targets"]["engines/llama.cpp/manifest.json"]
    digest = target["hashes"]["sha256"]
    return world.repository / "blobs" / digest[:2] / digest


def refused(world: World, error: type[PipelineError], match: str) -> PipelineError:
    """Install, expect a refusal, and check that nothing of it is installed."""
    before = list_generations(world.root) if (world.root / "format.json").exists() else ()
    with pytest.raises(error, match=match) as caught:
        world.install()
    after = list_generations(world.root) if (world.root / "format.json").exists() else ()
    assert after == before
    return caught.value


def test_a_flipped_byte_in_a_layer(published: World):
    flip(blob_of(published, "core"))
    assert refused(published, IntegrityError, "layer core .* sha256 is").exit_code == 7


@pytest.mark.parametrize(("cut", "added"), [(-1, b""), (None, b"\0"), (0, b"")], ids=["cut", "longer", "empty"])
def test_a_layer_of_another_length(published: World, cut: int | None, added: bytes):
    blob = blob_of(published, "core")
    blob.write_bytes(blob.read_bytes()[:cut] + added)
    refused(published, IntegrityError, "core|are signed")


def test_a_changed_manifest(published: World):
    blob = manifest_blob(published)
    blob.write_bytes(blob.read_bytes().replace(b'"b1"', b'"b2"'))
    refused(published, IntegrityError, "is not the signed one")


def test_the_copy_for_people_is_never_read(published: World):
    (published.repository / "manifest.json").write_text("nonsense")
    assert published.install().version == "b1"


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "1.engine-llama.cpp.json"])
def test_edited_metadata(published: World, name: str):
    path = published.repository / "metadata" / name
    document = json.loads(path.read_text())
    document["signed"]["expires"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(document))
    assert refused(published, TrustError, "not what the signed|signed by").exit_code == 8


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "1.engine-llama.cpp.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'{"signed": {}}', b"null"])
def test_metadata_that_is_none(published: World, name: str, content: bytes):
    (published.repository / "metadata" / name).write_bytes(content)
    with pytest.raises((IntegrityError, TrustError)):
        published.install()


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "1.engine-llama.cpp.json"])
def test_missing_metadata(published: World, name: str):
    (published.repository / "metadata" / name).unlink()
    refused(published, IntegrityError, "no whole repository")


def test_metadata_without_end(published: World):
    (published.repository / "metadata/timestamp.json").write_bytes(b" " * 20_000_000)
    refused(published, IntegrityError, "longer than the 16384 bytes")


def test_a_missing_layer(published: World):
    blob_of(published, "core").unlink()
    with pytest.raises(PipelineError, match="is signed and not there"):
        published.install()


def test_a_repository_of_foreign_keys(published: World):
    other = World(published.folder / "other")
    (published.folder / "other").mkdir(exist_ok=True)
    published.trusted_root = other.trusted_root
    refused(published, TrustError, "signed by")


def test_a_root_that_is_no_root(published: World):
    for data in (b"", b"{}", (published.repository / "metadata/timestamp.json").read_bytes()):
        published.trusted_root = data
        refused(published, TrustError, "trusted root")


def test_a_root_that_is_not_signed_by_its_own_keys(published: World):
    document = json.loads(published.trusted_root)
    document["signed"]["x-engine-pipeline-development"] = False
    published.trusted_root = json.dumps(document).encode()
    refused(published, TrustError, "signed by")


def test_signatures_below_the_threshold(tmp_path: Path):
    keys = tmp_path / "keys"
    init_keys(
        keys,
        passphrase=None,
        key_files=PrivateKeyFiles(),
        now=int(HandClock().seconds),
        thresholds={"timestamp": KeyCount(threshold=2, keys=2)},
    )
    world = World(tmp_path)
    now = world.clock.now_seconds()
    world.build("b1")
    world.publish(now=now)
    path = world.repository / "metadata/timestamp.json"
    document = json.loads(path.read_text())
    assert len(document["signatures"]) == 2
    assert world.install().changed
    document["signatures"] = document["signatures"][:1] * 2  # one key twice counts once
    path.write_text(json.dumps(document))
    shutil.rmtree(world.root)
    with pytest.raises((TrustError, IntegrityError)):
        world.install()
    document["signatures"] = document["signatures"][:1]
    path.write_text(json.dumps(document))
    with pytest.raises(TrustError, match="1/2 keys"):
        world.install()


def test_an_expired_timestamp_says_how_old_it_is(world: World):
    world.build("b1")
    world.publish(now=world.clock.now_seconds() - 10 * DAY)
    error = refused(world, TrustError, "timestamp metadata expired .* 3 days and 0 hours ago")
    assert "refresh" in error.hint


def test_expiry_is_judged_by_the_given_clock_too(tmp_path: Path):
    world = World(tmp_path)
    world.build("b1")
    world.publish()
    world.clock = HandClock(world.clock.now_seconds() + 8 * DAY)
    refused(world, TrustError, "its timestamp metadata expired")


def test_an_older_copy_is_refused_wherever_it_is(published: World):
    old = published.folder / "old-mirror"
    shutil.copytree(published.repository, old)
    published.build("b2")
    published.publish()
    published.install()
    published.repository = old
    error = refused(published, TrustError, "older than what was seen")
    assert "stale or a replayed copy" in error.hint


def test_a_mixture_of_two_moments_is_refused(published: World):
    old = published.folder / "old"
    shutil.copytree(published.repository / "metadata", old)
    published.build("b2")
    published.publish()
    shutil.copy(old / "1.engine-llama.cpp.json", published.repository / "metadata/2.engine-llama.cpp.json")
    refused(published, TrustError, "not what the signed")


def test_a_clock_that_was_set_back_is_refused(world: World):
    now = world.clock.now_seconds()
    world.build("b1")
    world.publish()
    world.install()
    world.clock = HandClock(now - DAY)
    refused(world, TrustError, "clock is 8[0-9]+ s before")
    world.clock = HandClock(now - 100)  # clocks are corrected a little all the time
    assert world.install().changed is False


def test_the_engines_role_speaks_for_nothing_else(published: World):
    metadata = json.loads((published.repository / "metadata/1.targets.json").read_text())
    (role,) = metadata["signed"]["delegations"]["roles"]
    assert (role["name"], role["paths"], role["terminating"]) == ("engine-llama.cpp", ["engines/llama.cpp/*"], True)
    assert metadata["signed"]["targets"] == {}


def test_a_link_out_of_the_repository_is_not_followed(published: World):
    secret = published.folder / "secret.json"
    shutil.move(published.repository / "metadata/timestamp.json", secret)
    (published.repository / "metadata/timestamp.json").symlink_to(secret)
    refused(published, IntegrityError, "leads outside")


@pytest.mark.parametrize(
    "location",
    ["https://user:word@example.com/repo", "https://example.com/repo?x=1", "ftp://example.com/", "/nowhere/at/all"],
)
def test_places_that_are_none(published: World, location: str):
    with pytest.raises(UsageError) as caught:
        published.install(location=location)
    assert "word" not in caught.value.message


def test_what_is_signed_can_be_asked(published: World):
    with TrustedRepository.open(
        published.repository.as_uri(),
        state_dir=published.folder / "state",
        trusted_root=published.trusted_root,
        services=published.services(),
        disk=published.disk,
    ) as repository:
        assert repository.engines() == ("llama.cpp",)
        assert repository.development is True
        assert [a.version for a in repository.manifest("llama.cpp").artifacts] == ["b1"]
        with pytest.raises(NothingSelectedError, match="mlx-lm") as caught:
            repository.manifest("mlx-lm")
        assert "llama.cpp" in caught.value.hint
        with pytest.raises(IntegrityError, match="does not list it"):
            repository.request(engine="llama.cpp", sha256="0" * 64, size_bytes=1, what="layer x")


def rotate_root(world: World, *, signing: World) -> None:
    """Put version 2 of the root into the repository, signed with the root key of ``signing``."""
    metadata = Metadata[Root].from_bytes(world.trusted_root)
    metadata.signed.version = 2
    metadata.signatures.clear()
    for signer in signing.keys.signers("root"):
        metadata.sign(signer, append=True)
    metadata.to_file(str(world.repository / "metadata/2.root.json"))


def test_a_newer_root_is_followed_by_installer_and_publisher(published: World):
    rotate_root(published, signing=published)
    assert published.install().version == "b1"
    published.build("b2")
    assert published.publish().versions["root"] == 2
    assert published.install().version == "b2"


def test_a_newer_root_that_the_old_one_did_not_sign_is_refused(published: World):
    rotate_root(published, signing=World(published.folder / "other"))
    refused(published, TrustError, "signed by")
    published.build("b2")
    with pytest.raises(TrustError, match="signed by"):
        published.publish()
