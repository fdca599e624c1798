"""Archives at hand instead of a download: recognised by what is signed, or refused."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations
from pipeline.deploy.layout import Layout
from pipeline.errors import IntegrityError, OfflineError, TrustError, UsageError
from tests.simulators.engine_world import CPU, LayerFiles, World, core
from tests.simulators.hand_clock import HandClock
from tests.simulators.web import serving


def bundle(world: World, version: str = "b1", accel: str = "cpu") -> Path:
    return world.folder / "dist" / f"llama.cpp-{version}-{accel}.tar.zst"


def layers(world: World) -> dict[str, Path]:
    """Return the archives of all layers of the dist folder by their names."""
    artifacts = json.loads((world.folder / "dist/manifest.json").read_text())["artifacts"]
    return {layer["name"]: world.folder / "dist" / layer["url"] for a in artifacts for layer in a["layers"]}


def without_blobs(world: World) -> Path:
    """Return a copy of the repository that holds metadata and manifests alone."""
    copy = world.folder / "metadata-only"
    shutil.copytree(world.repository, copy)
    for path in (copy / "blobs").rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd":
            path.unlink()
    return copy


def test_a_bundle_brings_all_its_layers_and_nothing_is_downloaded(published: World):
    services = published.services()
    outcome = published.install(files=(bundle(published),), location=str(without_blobs(published)), services=services)
    assert b"core b1" in published.run(outcome)
    assert services.downloader.brought == []
    assert outcome.downloaded_bytes == 0
    assert [(layer.name, layer.from_file) for layer in outcome.layers] == [("core", True), ("cpu", True)]
    assert bundle(published).is_file()
    assert list(Layout(published.root).staging_dir.iterdir()) == []


def test_layers_at_hand_are_taken_and_the_others_downloaded(published: World):
    services = published.services()
    outcome = published.install(files=(layers(published)["core"],), services=services)
    assert {layer.name: layer.from_file for layer in outcome.layers} == {"core": True, "cpu": False}
    assert len(services.downloader.brought) == 1
    assert outcome.downloaded_bytes == layers(published)["cpu"].stat().st_size


def test_optional_layers_are_taken_from_files_too(published: World):
    files = (bundle(published), layers(published)["core-debug"])
    outcome = published.install(files=files, with_debug=True, location=str(without_blobs(published)))
    assert (Path(outcome.path) / "debug/libllama.so.debug").is_file()


def test_a_bundle_names_the_target_and_the_version(world: World):
    world.build("b1")
    world.build("b1", (core("b1"), LayerFiles("avx2", {"lib/x": b"avx2"})), accel="avx2")
    world.build("b2")
    world.publish()
    outcome = world.install(files=(bundle(world, "b1", "avx2"),))
    assert (outcome.target, outcome.version) == ("llama.cpp/linux-x86_64-avx2", "b1")
    assert outcome.selection.why == "it is what the given files are of"


def test_a_layer_that_several_variants_have_leaves_the_choice_to_the_host(world: World):
    world.build("b1")
    world.build("b1", (core("b1"), LayerFiles("avx2", {"lib/x": b"avx2"})), accel="avx2")
    world.publish()
    outcome = world.install(files=(layers(world)["core"],))
    assert outcome.target == "llama.cpp/linux-x86_64-cpu"
    assert outcome.selection is not None


def test_files_of_different_variants_are_refused(world: World):
    world.build("b1")
    world.build("b2")
    world.publish()
    with pytest.raises(UsageError, match="no variant is made of all these files"):
        world.install(files=(bundle(world, "b1"), bundle(world, "b2")))


@pytest.mark.parametrize("change", ["one byte", "cut short", "longer", "another file"])
def test_a_file_that_is_nothing_signed_is_refused_and_not_used(published: World, change: str):
    path = published.folder / "given.tar.zst"
    data = bundle(published).read_bytes()
    changed = {
        "one byte": data[:-1] + bytes([data[-1] ^ 1]),
        "cut short": data[:-1],
        "longer": data + b"\0",
        "another file": b"something else",
    }
    path.write_bytes(changed[change])
    with pytest.raises(IntegrityError, match=r"given\.tar\.zst is nothing that the signed manifest names"):
        published.install(files=(path,))
    assert list_generations(published.root) == ()


def test_a_file_of_a_release_that_the_repository_does_not_have_is_refused(published: World):
    published.build("b2", dist="other")
    with pytest.raises(IntegrityError, match="is nothing that the signed manifest names"):
        published.install(files=(published.folder / "other/llama.cpp-b2-cpu.tar.zst",))


def test_a_file_that_changes_after_it_was_recognised_is_refused(published: World):
    class Swap(type(published.disk)):
        def copy_file(self, source, destination, **part):
            data = bytearray(source.read_bytes())
            data[40] ^= 1
            source.write_bytes(data)
            return super().copy_file(source, destination, **part)

    given = published.folder / "given.tar.zst"
    shutil.copy(bundle(published), given)
    published.disk = Swap()
    with pytest.raises(IntegrityError, match="layer core in"):
        published.install(files=(given,))
    assert list_generations(published.root) == ()


def test_a_file_that_is_not_there_is_a_usage_error(published: World):
    with pytest.raises(UsageError, match="nowhere"):
        published.install(files=(published.folder / "nowhere",))


def test_a_version_that_the_files_are_not_of_is_refused(world: World):
    world.build("b1")
    world.build("b2")
    world.publish()
    with pytest.raises(Exception, match="b2") as caught:
        world.install(files=(bundle(world, "b1"),), version="b2")
    assert caught.value.exit_code == 3


def test_a_failed_installation_from_a_file_leaves_the_running_version(published: World):
    before = published.install()
    published.build("b2", (core("b2"), LayerFiles("cpu", {"bin/llama-server": b"another"})))
    published.publish()
    with pytest.raises(IntegrityError, match="different files"):
        published.install(files=(bundle(published, "b2"),))
    assert b"core b1" in published.run(before)
    assert [(g.version, g.current) for g in list_generations(published.root)] == [("b1", True)]


def test_without_a_repository_what_was_seen_of_it_is_trusted_while_it_is_fresh(tmp_path: Path):
    clock = HandClock(time.time())
    world = World(tmp_path, clock=clock)
    world.build("b1")
    world.build("b2", (core("b2"), CPU))
    world.publish()
    with serving(world.repository) as (url, _):
        world.install(location=url, version="b1")
    outcome = world.install(location=None, files=(bundle(world, "b2"),))
    assert (outcome.version, outcome.previous_version) == ("b2", "b1")
    assert b"core b2" in world.run(outcome)
    clock.sleep(8 * 24 * 3600.0)
    with pytest.raises(TrustError, match="expired"):
        world.install(location=None, files=(bundle(world, "b2"),))


def test_without_a_repository_a_layer_that_no_file_has_is_not_available(published: World):
    published.build("b2", (core("b2"), LayerFiles("cpu", {"lib/other": b"other"})))
    published.publish()
    published.install(version="b1")
    names = layers(published)
    with pytest.raises(OfflineError, match="in none of the given files"):
        published.install(location=None, files=(names["core"],), version="b2")
    assert [(g.version, g.current) for g in list_generations(published.root)] == [("b1", True)]


def test_an_installation_that_has_never_seen_a_repository_needs_one(published: World):
    with pytest.raises(UsageError, match="never seen a repository"):
        published.install(location=None, files=(bundle(published),))


def test_a_kept_manifest_that_was_changed_is_not_used(published: World):
    published.install()
    (kept,) = (published.root / "trust").glob("*/manifests/*.json")
    kept.write_bytes(kept.read_bytes().replace(b'"b1"', b'"b7"'))
    with pytest.raises(Exception, match="signed and not there") as caught:
        published.install(location=None, files=(bundle(published),))
    assert caught.value.exit_code in {6, 7}
