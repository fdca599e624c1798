from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.errors import IntegrityError, NothingSelectedError, TrustError, UsageError
from pipeline.model.manifest_document import read_manifest
from pipeline.system.clock import SystemClock
from tests.simulators.engine_world import World, services_for
from tests.simulators.hand_clock import HandClock
from tests.simulators.mirrors import held, mirror_services, mirrored, private

DAY = 86400


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture
def three(world: World) -> World:
    """A repository with versions b9, b10 and b11 of cpu, and b11 of avx2."""
    for version in ("b9", "b10", "b11"):
        world.build(version)
    world.build("b11", accel="avx2")
    world.publish()
    return world


def names(mirror: Path) -> list[str]:
    document = MirrorLayout(mirror).require_document()
    return [f"{artifact.target.partition('-')[2]} {artifact.version}" for artifact in document.artifacts]


def blobs(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs").glob("*/*")}


def install_from(world: World, mirror: Path, version: str, **changes: object) -> bytes:
    root = world.folder / f"root-{version}"
    return world.run(
        world.install(location=str(mirror), root=root, version=version, target="linux-x86_64-cpu", **changes)
    )


def test_a_mirror_holds_the_newest_version_of_every_target(three, mirror):
    outcome = mirrored(three, mirror)
    assert names(mirror) == ["x86_64-avx2 b11", "x86_64-cpu b11"]
    assert outcome.changed
    assert outcome.added == ("llama.cpp/linux-x86_64-avx2 b11", "llama.cpp/linux-x86_64-cpu b11")
    assert blobs(mirror) < blobs(three.repository)
    assert install_from(three, mirror, "b11") == b"#!/bin/sh\necho core b11\n"


def test_metadata_is_copied_byte_for_byte(three, mirror):
    mirrored(three, mirror)
    copied = {path.name: path.read_bytes() for path in (mirror / "metadata").iterdir()}
    published = {path.name: path.read_bytes() for path in (three.repository / "metadata").iterdir()}
    assert copied == published


def test_newest_means_by_number_and_keep_says_how_many(three, mirror):
    mirrored(three, mirror, targets=("linux-x86_64-cpu",), keep=2)
    assert names(mirror) == ["x86_64-cpu b10", "x86_64-cpu b11"]


def test_named_releases_are_held_beside_the_newest_or_alone(three, mirror, tmp_path):
    mirrored(three, mirror, targets=("*-cpu",), releases=("b9",))
    assert names(mirror) == ["x86_64-cpu b9"]
    both = tmp_path / "both"
    mirrored(three, both, targets=("*-cpu",), releases=("b9",), keep=1)
    assert names(both) == ["x86_64-cpu b9", "x86_64-cpu b11"]


@pytest.mark.parametrize(
    ("choice", "near"),
    [
        ({"targets": ("linux-x86_64-cqu",)}, "linux-x86_64-cpu"),
        ({"targets": ("macos-*",)}, "linux-x86_64-avx2"),
        ({"releases": ("b12",)}, "b11"),
        ({"models": ("gemma",)}, "none"),
    ],
)
def test_what_matches_nothing_is_an_error_with_near_names(three, mirror, choice, near):
    with pytest.raises(NothingSelectedError) as caught:
        mirrored(three, mirror, **choice)
    assert near in caught.value.hint
    assert held(mirror) == {}


def test_debug_layers_and_bundles_are_held_as_asked(three, mirror, tmp_path):
    mirrored(three, mirror, targets=("linux-x86_64-cpu",))
    artifact = read_manifest((mirror / "manifest.json").read_bytes()).artifacts[0]
    debug = next(layer.sha256 for layer in artifact.layers if layer.optional)
    assert debug not in blobs(mirror)
    other = tmp_path / "other"
    mirrored(three, other, targets=("linux-x86_64-cpu",), with_debug=True, with_bundles=False)
    assert debug in blobs(other)
    assert artifact.sha256 not in blobs(other)
    assert install_from(three, other, "b11") == b"#!/bin/sh\necho core b11\n"


def test_a_sync_moves_only_what_is_new_and_takes_away_what_is_not_wanted(published, mirror):
    mirrored(published, mirror)
    first = blobs(mirror)
    published.build("b2")
    published.publish()
    services = mirror_services(published, mirror)
    outcome = mirrored(published, mirror, services=services)
    assert outcome.added == ("llama.cpp/linux-x86_64-cpu b2",)
    assert outcome.removed == ("llama.cpp/linux-x86_64-cpu b1",)
    assert set(services.downloader.brought) == blobs(mirror) - first
    assert first - blobs(mirror), "the old core layer and bundle are gone"
    assert install_from(published, mirror, "b2") == b"#!/bin/sh\necho core b2\n"
    assert private(mirror) == {"completed.json", "root.json"}


def test_a_sync_with_nothing_new_changes_nothing_and_reads_no_list_of_targets(published, mirror):
    mirrored(published, mirror)
    before = held(mirror)
    for path in (mirror / "metadata").glob("*engine*"):
        path.chmod(0)
    outcome = mirrored(published, mirror)
    assert not outcome.changed
    assert outcome.artifacts == 1
    for path in (mirror / "metadata").glob("*engine*"):
        path.chmod(0o644)
    assert held(mirror) == before


def test_a_refreshed_timestamp_is_all_that_moves(published, mirror):
    mirrored(published, mirror)
    later = published.clock.now_seconds() + 5 * DAY
    published.publish(now=later)  # nothing new, but the timestamp is due
    outcome = mirrored(published, mirror)
    assert (outcome.changed, outcome.files_added) == (True, 1)
    copied = (mirror / "metadata/timestamp.json").read_bytes()
    assert copied == (published.repository / "metadata/timestamp.json").read_bytes()
    assert not mirrored(published, mirror).changed


def test_a_dry_run_lists_files_and_bytes_and_changes_nothing(three, mirror, tmp_path):
    services = services_for(tmp_path / "elsewhere")
    outcome = mirrored(three, mirror, services=services, dry_run=True, keep=2)
    assert not mirror.exists()
    assert outcome.dry_run
    assert outcome.files_added == len(outcome.changes) > 5
    assert outcome.bytes_added == sum(change.size for change in outcome.changes)
    mirrored(three, mirror, keep=2)
    done = {path for path in held(mirror) if path.startswith(("blobs/", "metadata/"))}
    assert {change.path for change in outcome.changes} == done
    before = held(mirror)
    gone = mirrored(three, mirror, services=services, dry_run=True)
    assert gone.removed == ("llama.cpp/linux-x86_64-cpu b10",)
    assert {change.action for change in gone.changes} == {"remove"}
    assert held(mirror) == before


def test_a_damaged_blob_at_the_source_is_refused_and_the_mirror_stays(published, mirror):
    mirrored(published, mirror)
    before = held(mirror)
    published.build("b2")
    published.publish()
    new = max(blobs(published.repository) - blobs(mirror), key=lambda name: len(_blob(published.repository, name)))
    whole = _blob(published.repository, new)
    path = published.repository / "blobs" / new[:2] / new
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError):
            mirrored(published, mirror)
        assert held(mirror) == before
    path.write_bytes(whole)
    assert mirrored(published, mirror).changed
    assert private(mirror) == {"completed.json", "root.json"}


def _blob(folder: Path, sha256: str) -> bytes:
    return (folder / "blobs" / sha256[:2] / sha256).read_bytes()


def test_a_truncated_blob_in_the_mirror_is_brought_anew(published, mirror):
    mirrored(published, mirror)
    whole = held(mirror)
    damaged = max((mirror / "blobs").glob("*/*"), key=lambda path: path.stat().st_size)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert mirrored(published, mirror).files_added == 1
    assert held(mirror) == whole


def test_a_flipped_byte_is_found_by_repair_alone(published, mirror):
    mirrored(published, mirror)
    whole = held(mirror)
    damaged = max((mirror / "blobs").glob("*/*"), key=lambda path: path.stat().st_size)
    data = damaged.read_bytes()
    damaged.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    assert not mirrored(published, mirror).changed
    assert mirrored(published, mirror, repair=True).files_added == 1
    assert held(mirror) == whole


def test_any_one_file_may_go_and_the_next_sync_brings_it_back(tmp_path, mirror):
    published = World(tmp_path, clock=HandClock(SystemClock().now_seconds()))  # it stands: mirror.json has a time
    published.build("b1")
    published.publish()
    mirrored(published, mirror)
    whole = held(mirror)
    for path in whole:
        (mirror / path).unlink()
        mirrored(published, mirror)
        assert held(mirror) == whole, path


def test_a_source_that_rolled_back_is_refused(published, mirror, tmp_path):
    shutil.copytree(published.repository, tmp_path / "old")
    published.build("b2")
    published.publish()
    mirrored(published, mirror)
    before = held(mirror)
    with pytest.raises(TrustError):
        mirrored(published, mirror, source=str(tmp_path / "old"))
    with pytest.raises(TrustError):
        mirrored(published, mirror, source=str(tmp_path / "old"), dry_run=True, services=services_for(tmp_path / "x"))
    assert held(mirror) == before


def test_an_expired_source_is_refused(tmp_path, mirror):
    clock = HandClock(SystemClock().now_seconds())
    world = World(tmp_path, clock=clock)
    world.build("b1")
    world.publish()
    mirrored(world, mirror)
    clock.seconds += 8 * DAY
    with pytest.raises(TrustError):
        mirrored(world, mirror)


def test_a_source_signed_by_others_is_refused(published, mirror, tmp_path):
    other = World(tmp_path / "other")
    with pytest.raises(TrustError):
        mirrored(published, mirror, trusted_root=other.trusted_root)
    assert held(mirror) == {}


def test_another_repository_never_enters_a_mirror(published, mirror, tmp_path):
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other")
    other.build("b1")
    other.publish()
    mirrored(published, mirror)
    with pytest.raises(UsageError, match="another repository"):
        mirrored(other, mirror)


def test_a_folder_with_something_else_is_left_alone(published, mirror, tmp_path):
    mirror.mkdir()
    (mirror / "letters.txt").write_text("dear")
    with pytest.raises(UsageError):
        mirrored(published, mirror, services=services_for(tmp_path / "elsewhere"))
    assert [path.name for path in mirror.iterdir()] == ["letters.txt"]


def test_a_mirror_of_itself_is_refused(published, mirror):
    mirrored(published, mirror)
    with pytest.raises(UsageError, match="itself"):
        mirrored(published, mirror, source=str(mirror))


def test_a_mirror_of_a_mirror_is_the_same_as_one_of_the_source(three, mirror, tmp_path):
    mirrored(three, mirror, keep=2)
    second, direct = tmp_path / "second", tmp_path / "direct"
    mirrored(three, second, source=str(mirror), targets=("linux-x86_64-cpu",))
    mirrored(three, direct, targets=("linux-x86_64-cpu",))
    without = {"mirror.json"}
    assert {k: v for k, v in held(second).items() if k not in without} == {
        k: v for k, v in held(direct).items() if k not in without
    }


def test_old_metadata_goes_but_what_a_reader_may_be_about_to_ask_for(published, mirror):
    mirrored(published, mirror)
    for number in range(2, 6):
        published.build(f"b{number}")
        published.publish()
        mirrored(published, mirror)
    versions = sorted(path.name.partition(".")[0] for path in (mirror / "metadata").glob("*.snapshot.json"))
    assert versions == ["4", "5"]


def test_several_engines_are_held_and_the_lists_of_all_are(world, mirror):
    world.build("b1")
    world.build("v7", engine="other")
    world.publish()
    mirrored(world, mirror, targets=("other/*",))
    assert [artifact.target for artifact in MirrorLayout(mirror).require_document().artifacts] == [
        "other/linux-x86_64-cpu"
    ]
    assert mirrored(world, mirror, targets=("llama.cpp/*", "other/*")).added == ("llama.cpp/linux-x86_64-cpu b1",)


def test_a_source_that_changes_while_it_is_read_never_mixes(published, mirror, tmp_path):
    """The publisher adds b2 while the downloads of b1 run: the mirror is the old state, whole."""
    services = mirror_services(published, mirror)
    fetch = services.downloader.fetch
    done = []

    def publish_and_fetch(request, *, progress=None):
        if not done:
            done.append(1)
            published.build("b2")
            published.publish()
        return fetch(request, progress=progress)

    services.downloader.fetch = publish_and_fetch
    mirrored(published, mirror, services=services)
    assert names(mirror) == ["x86_64-cpu b1"]
    assert install_from(published, mirror, "b1") == b"#!/bin/sh\necho core b1\n"
    assert mirrored(published, mirror).added == ("llama.cpp/linux-x86_64-cpu b2",)


def test_what_an_interrupted_sync_brought_is_not_brought_again(published, mirror):
    services = mirror_services(published, mirror)
    fetch, seen = services.downloader.fetch, []

    def fail_at_third(request, *, progress=None):
        seen.append(request.sha256)
        if len(seen) == 3:
            raise IntegrityError("the cable was pulled")
        return fetch(request, progress=progress)

    services.downloader.fetch = fail_at_third
    with pytest.raises(IntegrityError):
        mirrored(published, mirror, services=services)
    assert held(mirror) == {}
    kept = mirror / ".mirror/downloads/blobs" / seen[0][:2] / seen[0]
    inode = kept.stat().st_ino
    mirrored(published, mirror)
    assert (mirror / "blobs" / seen[0][:2] / seen[0]).stat().st_ino == inode, "it was moved, not brought again"
    assert private(mirror) == {"completed.json", "root.json"}
