"""Updates by deltas: small where they can be, and the whole archive wherever anything about a delta is wrong."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.deploy.layout import Layout
from pipeline.deploy.mirror.export import export_mirror
from pipeline.deploy.mirror.importing import import_export
from pipeline.deploy.mirror.usage import mirror_usage
from pipeline.deploy.verify import verify
from pipeline.errors import NetworkError
from pipeline.events import Notice, StepFailed
from pipeline.model.repository_layout import blob_path, trees_of_delta_target
from pipeline.publish import deltas
from pipeline.publish.state import read_state
from tests.simulators.changing_layers import SIZE, layers, library
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import FixedHost, LayerFiles, World, services_for
from tests.simulators.http_server import FaultyServer, hang_up_after, status
from tests.simulators.mirrors import lane_keys, mirrored, sealed
from tests.simulators.mounts import mounted
from tests.simulators.web import serving

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.installation import InstallOutcome


def publish(world: World, version: int, count: int = 1) -> tuple[str, ...]:
    dist = f"dist-{version}"
    world.build(f"b{version}", layers(version), dist=dist)
    return world.publish(dist, deltas=count).deltas


@pytest.fixture
def updated(world: World) -> World:
    """A world with b1 installed, and b2 published with deltas since."""
    publish(world, 1)
    world.install()
    publish(world, 2)
    return world


def delta_blobs(world: World, repository: Path | None = None) -> dict[str, Path]:
    """Return by layer name the blobs of the deltas to the newest version."""
    state = read_state(world.repository, trusted_root=world.trusted_root)
    newest = state.manifests["llama.cpp"].artifacts[-1]
    names = {layer.tree_sha256: layer.name for layer in newest.layers}
    return {
        names[trees.new]: (repository or world.repository) / blob_path(target.hashes["sha256"])
        for path, target in state.published.items()
        if (trees := trees_of_delta_target(path)) and trees.new in names
    }


def archive_of(world: World, layer: str) -> Path:
    """Return the blob of a layer of the newest version."""
    state = read_state(world.repository, trusted_root=world.trusted_root)
    found = next(one for one in state.manifests["llama.cpp"].artifacts[-1].layers if one.name == layer)
    return world.repository / blob_path(found.sha256)


def by_name(outcome: InstallOutcome) -> dict[str, tuple[str | None, int]]:
    return {layer.name: (layer.delta_from, layer.download_bytes) for layer in outcome.layers}


def notices(services) -> list[str]:
    found = [event for event in services.events.events if isinstance(event, Notice)]
    return [event.message for event in found if event.level != "debug"]


def test_publishing_a_new_version_makes_deltas_of_the_layers_that_changed(world):
    assert publish(world, 1) == ()
    assert publish(world, 2) == (
        "core of llama.cpp/linux-x86_64-cpu b2 from b1",
        "cpu of llama.cpp/linux-x86_64-cpu b2 from b1",
    )
    assert verify(world.repository, services_for(world.folder / "v"), disk=world.disk).ok


def test_no_deltas_are_made_where_none_are_asked_for(world):
    publish(world, 1)
    assert publish(world, 2, count=0) == ()


def test_very_large_layers_have_none(world, monkeypatch):
    monkeypatch.setattr(deltas, "LARGEST_BYTES", SIZE + 10)
    publish(world, 1)
    assert publish(world, 2) == ("cpu of llama.cpp/linux-x86_64-cpu b2 from b1",)


def test_deltas_start_from_as_many_versions_as_are_asked_for(world):
    publish(world, 1)
    publish(world, 2, count=0)
    assert [text.rpartition(" ")[2] for text in publish(world, 10, count=2) if text.startswith("cpu")] == ["b2", "b1"]


def test_published_deltas_stay_and_the_same_publication_changes_nothing(updated):
    blobs = delta_blobs(updated)
    assert updated.publish("dist-2", deltas=1).changed is False
    updated.build("b3", dist="dist-3")
    updated.publish("dist-3")
    state = read_state(updated.repository, trusted_root=updated.trusted_root)
    assert {blob_path(t.hashes["sha256"]) for p, t in state.published.items() if trees_of_delta_target(p)} == {
        path.relative_to(updated.repository).as_posix() for path in blobs.values()
    }


def test_the_same_layers_make_the_same_deltas(world, tmp_path):
    publish(world, 1)
    publish(world, 2)
    other = World(tmp_path / "other")
    publish(other, 1)
    publish(other, 2)
    assert {n: p.name for n, p in delta_blobs(world).items()} == {n: p.name for n, p in delta_blobs(other).items()}


def test_a_dry_run_says_what_would_be_tried_and_makes_nothing(world):
    publish(world, 1)
    world.build("b2", layers(2), dist="dist-2")
    before = {path: path.stat().st_mtime_ns for path in world.repository.rglob("*")}
    outcome = world.publish("dist-2", deltas=1, dry_run=True)
    assert len(outcome.deltas) == 2
    assert {path: path.stat().st_mtime_ns for path in world.repository.rglob("*")} == before


def test_a_delta_that_saves_too_little_is_left_out(world):
    world.build("b1", (LayerFiles("core", {"bin/llama-server": library(1)}),), dist="dist-1")
    world.publish("dist-1")
    world.build("b2", (LayerFiles("core", {"bin/llama-server": library(2)}),), dist="dist-2")
    outcome = world.publish("dist-2", deltas=1)
    assert (outcome.deltas, outcome.added) == ((), ("llama.cpp/linux-x86_64-cpu b2",))


def test_an_update_over_http_brings_deltas_and_makes_the_signed_layers(updated):
    blobs = delta_blobs(updated)
    services = updated.services()
    with serving(updated.repository) as (url, asked):
        outcome = updated.install(location=url, services=services)
    sizes = {name: path.stat().st_size for name, path in blobs.items()}
    assert by_name(outcome) == {"core": ("b1", sizes["core"]), "cpu": ("b1", sizes["cpu"]), "runtime": (None, 0)}
    assert outcome.downloaded_bytes == sum(sizes.values()) < SIZE // 10
    brought = {path.rpartition("/")[2] for path in asked if "/blobs/" in path}
    assert brought & {archive_of(updated, name).name for name in ("core", "cpu", "runtime")} == set()
    assert brought >= {path.name for path in blobs.values()}
    assert updated.run(outcome) == b"#!/bin/sh\necho 2\n"
    assert verify(updated.root, services, disk=updated.disk).ok
    assert not list((updated.root / "staging").iterdir())


def test_a_dry_run_of_an_update_says_what_would_be_brought(updated):
    outcome = updated.install(dry_run=True)
    assert {name: origin for name, (origin, _) in by_name(outcome).items()} == {
        "core": "b1",
        "cpu": "b1",
        "runtime": None,
    }
    assert outcome.downloaded_bytes == sum(path.stat().st_size for path in delta_blobs(updated).values())


def test_deltas_can_be_left_alone(updated):
    outcome = updated.install(deltas=False)
    assert {origin for origin, _ in by_name(outcome).values()} == {None}
    assert outcome.downloaded_bytes > SIZE


def test_a_first_installation_brings_archives(updated):
    outcome = updated.install(root=updated.folder / "fresh")
    assert {origin for origin, _ in by_name(outcome).values()} == {None}


def test_the_files_of_the_old_version_stay_what_they_were(updated):
    layout = Layout(updated.root)
    before = {digest: layout.layer_tree(digest) for digest in layout.layer_digests()}
    updated.install()
    assert verify(updated.root, updated.services(), disk=updated.disk).ok
    assert {digest: layout.layer_tree(digest) for digest in before} == before
    inodes = [path.stat().st_ino for path in (updated.root / "layers").glob("*/lib/libmtmd.so")]
    assert len(set(inodes)) == 2  # nothing is shared: a change in place of one does not reach the other


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("over_http", [True, False])
def test_a_place_without_a_delta_serves_the_archive_and_nothing_is_said(updated, over_http):
    gone(delta_blobs(updated)["core"])
    services = updated.services()
    with serving(updated.repository) as (url, _):
        outcome = updated.install(location=url if over_http else str(updated.repository), services=services)
    assert by_name(outcome)["core"] == (None, archive_of(updated, "core").stat().st_size)
    assert by_name(outcome)["cpu"][0] == "b1"
    assert not [text for text in notices(services) if "delta" in text]
    assert not [event for event in services.events.events if isinstance(event, StepFailed)]


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("over_http", [True, False])
def test_a_delta_that_is_damaged_gives_way_to_the_archive(updated, damage, over_http):
    damage(delta_blobs(updated)["core"])
    services = updated.services()
    with serving(updated.repository) as (url, _):
        outcome = updated.install(location=url if over_http else str(updated.repository), services=services)
    found = by_name(outcome)
    assert found["core"][0] is None
    assert found["cpu"][0] == "b1"
    assert updated.run(outcome) == b"#!/bin/sh\necho 2\n"
    assert any("delta of layer core" in notice for notice in notices(services))
    assert not list((updated.root / "downloads" / "partials").iterdir())


@pytest.mark.parametrize("change", [flip, cut, gone])
def test_an_old_file_that_was_changed_gives_way_to_the_archive(updated, change):
    victim = next((updated.root / "layers").glob("*/lib/libmtmd.so"))
    copy = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(copy)  # not the file of the generation
    change(victim)
    services = updated.services()
    outcome = updated.install(services=services)
    blobs = delta_blobs(updated)
    origin, size = by_name(outcome)["core"]
    assert origin is None
    assert size == archive_of(updated, "core").stat().st_size + blobs["core"].stat().st_size  # in vain, and it came
    assert any("delta of layer core" in notice for notice in notices(services))
    assert updated.run(outcome) == b"#!/bin/sh\necho 2\n"


def test_a_repository_without_deltas_is_updated_from_as_ever(world):
    publish(world, 1, count=0)
    world.install()
    publish(world, 2, count=0)
    services = world.services()
    outcome = world.install(services=services)
    assert {origin for origin, _ in by_name(outcome).values()} == {None}
    assert not [notice for notice in notices(services) if "delta" in notice]


def words(seed: int, size: int = 2 << 20) -> bytes:
    """Return a text that packs well."""
    dice = random.Random(seed)
    known = [dice.randbytes(6).hex().encode() for _ in range(3000)]
    return b" ".join(dice.choice(known) for _ in range(size // 13))


def test_a_disk_too_full_for_a_delta_takes_the_archive_if_that_fits(world):
    program = {"bin/llama-server": b"#!/bin/sh\n"}
    world.build("b1", (LayerFiles("core", program | {"lib/a": words(1)}),), dist="dist-1")
    world.build("b2", (LayerFiles("core", program | {"lib/a": words(1), "lib/b": words(2)}),), dist="dist-2")
    world.publish("dist-1")
    assert len(world.publish("dist-2", deltas=1).deltas) == 1
    with mounted(world.folder / "small", "-t", "tmpfs", "-o", "size=7m", "tmpfs") as disk:
        root, plenty = disk / "root", FixedHost(free=1 << 40)  # so that the disk itself says no, in mid-write
        world.install(root=root, version="b1", services=world.services(root, host=plenty))
        services = world.services(root, host=plenty)
        outcome = world.install(root=root, services=services)
        assert (outcome.version, by_name(outcome)["core"][0]) == ("b2", None)
        assert any("delta of layer core" in text for text in notices(services))
        assert not list((root / "staging").iterdir())


def test_an_archive_that_is_there_already_is_used_instead_of_a_delta(updated):
    archive = updated.folder / "core.tar.zst"
    shutil.copy(archive_of(updated, "core"), archive)
    outcome = updated.install(files=(archive,))
    assert [(layer.name, layer.from_file, layer.delta_from) for layer in outcome.layers] == [
        ("core", True, None),
        ("cpu", False, "b1"),
        ("runtime", False, None),
    ]


def test_a_delta_whose_download_broke_off_is_brought_to_its_end(updated):
    blob, archive = delta_blobs(updated)["core"], archive_of(updated, "core")
    half = blob.stat().st_size // 2
    with FaultyServer() as server:
        for path in updated.repository.rglob("*"):
            if path.is_file():
                faults = (hang_up_after(half),) if path == blob else (status(503),) if path == archive else ()
                server.host(f"/{path.relative_to(updated.repository).as_posix()}", path.read_bytes(), *faults)
        with pytest.raises(NetworkError):
            updated.install(location=server.url("/"))
        services = updated.services()
        outcome = updated.install(location=server.url("/"), services=services)
        asked = server.requests(f"/{blob.relative_to(updated.repository).as_posix()}")
    assert [request.get("range") for request in asked] == [None, f"bytes={half}-"]
    assert by_name(outcome)["core"] == ("b1", blob.stat().st_size)
    assert verify(updated.root, services, disk=updated.disk).ok


@pytest.mark.parametrize("number", range(5, 230, 25))
def test_whoever_dies_during_an_update_by_deltas_leaves_the_old_version_or_the_new(updated, number):
    assert dies_before(number, updated.install)
    current = Layout(updated.root).pointer("llama.cpp")
    assert current is not None
    assert current.version in {"b1", "b2"}
    outcome = updated.install()
    assert updated.run(outcome) == b"#!/bin/sh\necho 2\n"
    assert not list((updated.root / "staging").iterdir())


def test_a_server_that_is_gone_after_its_metadata_is_a_network_error_and_keeps_the_old_version(updated):
    with FaultyServer() as server:
        for path in updated.repository.rglob("*"):
            if path.is_file():
                is_large = path in delta_blobs(updated).values() or path == archive_of(updated, "core")
                place = f"/{path.relative_to(updated.repository).as_posix()}"
                server.host(place, path.read_bytes(), *((status(503),) if is_large else ()))
        with pytest.raises(NetworkError, match="layer core"):
            updated.install(location=server.url("/"))
    current = Layout(updated.root).pointer("llama.cpp")
    assert current is not None
    assert current.version == "b1"
    assert by_name(updated.install())["core"][0] == "b1"  # the delta is tried again


# Mirrors.


def test_a_mirror_carries_the_deltas_of_what_it_holds(updated, tmp_path):
    mirror = tmp_path / "mirror"
    outcome = mirrored(updated, mirror, keep=1)
    assert sorted(change.size for change in outcome.changes if change.kind == "delta") == sorted(
        path.stat().st_size for path in delta_blobs(updated).values()
    )
    assert verify(mirror, services_for(tmp_path / "v"), disk=updated.disk, trusted_root=updated.trusted_root).ok
    assert mirrored(updated, mirror, keep=1).changed is False
    found = by_name(updated.install(location=str(mirror)))
    assert (found["core"][0], found["cpu"][0]) == ("b1", "b1")


def test_a_mirror_without_deltas_serves_archives(updated, tmp_path):
    mirror = tmp_path / "mirror"
    outcome = mirrored(updated, mirror, with_deltas=False)
    assert not [change for change in outcome.changes if change.kind == "delta"]
    assert verify(mirror, services_for(tmp_path / "v"), disk=updated.disk, trusted_root=updated.trusted_root).ok
    services = updated.services()
    assert {origin for origin, _ in by_name(updated.install(location=str(mirror), services=services)).values()} == {
        None
    }


def test_a_mirror_that_wants_no_deltas_any_more_lets_them_go(updated, tmp_path):
    mirror = tmp_path / "mirror"
    mirrored(updated, mirror)
    outcome = mirrored(updated, mirror, with_deltas=False)
    assert outcome.files_removed == 2
    assert not any(path.exists() for path in delta_blobs(updated, mirror).values())


def test_only_a_mirror_without_deltas_says_so(updated, tmp_path):
    for name, wanted in (("with", True), ("without", False)):
        mirrored(updated, tmp_path / name, with_deltas=wanted)
        text = (tmp_path / name / "mirror.json").read_text()
        assert ("with_deltas" in text) is not wanted


def test_a_damaged_delta_of_a_mirror_is_found_and_one_that_is_missing_is_no_fault(updated, tmp_path):
    mirror = tmp_path / "mirror"
    mirrored(updated, mirror)
    blobs = delta_blobs(updated, mirror)
    flip(blobs["core"])
    blobs["cpu"].unlink()
    report = verify(mirror, services_for(tmp_path / "v"), disk=updated.disk, trusted_root=updated.trusted_root)
    assert {(finding.path.rpartition("/")[2], finding.state) for finding in report.findings} == {
        (blobs["core"].name, "changed"),
    }


def from_before_deltas(world: World, mirror: Path) -> Path:
    """Return a mirror as a program from before there were deltas left it."""
    mirrored(world, mirror, with_deltas=False)
    document = json.loads((mirror / "mirror.json").read_text())
    del document["selection"]["with_deltas"]
    (mirror / "mirror.json").write_text(json.dumps(document, indent=2) + "\n")
    return mirror


def test_a_mirror_from_before_deltas_is_whole_until_a_sync_brings_them(updated, tmp_path):
    mirror, services = from_before_deltas(updated, tmp_path / "mirror"), services_for(tmp_path / "v")
    assert verify(mirror, services, disk=updated.disk, trusted_root=updated.trusted_root).ok
    keys = lane_keys(updated)
    sealed(updated, mirror, keys=keys)
    assert by_name(updated.install(location=str(mirror), trusted_root=keys.root, dry_run=True))["core"][0] is None
    outcome = mirrored(updated, mirror)
    assert sorted(change.kind for change in outcome.changes if change.action == "add") == ["delta", "delta"]
    assert verify(mirror, services, disk=updated.disk, trusted_root=updated.trusted_root).ok


def test_a_mirror_from_before_deltas_is_exported_and_imported(updated, tmp_path):
    mirror, disc, there = from_before_deltas(updated, tmp_path / "mirror"), tmp_path / "disc", tmp_path / "there"
    services = services_for(tmp_path / "carrier")
    export_mirror(mirror, disc, services=services, disk=updated.disk, part_size=100_000)
    import_export((disc,), there, trusted_root=updated.trusted_root, services=services, disk=updated.disk)
    assert verify(there, services_for(tmp_path / "v"), disk=updated.disk, trusted_root=updated.trusted_root).ok
    assert by_name(updated.install(location=str(there)))["core"][0] is None


def test_the_space_of_deltas_stands_in_a_row_of_its_own(updated, tmp_path):
    mirror = tmp_path / "mirror"
    mirrored(updated, mirror)
    usage = mirror_usage(mirror)
    row = next(row for row in usage.kinds if row.name == "delta")
    assert row.own_bytes == sum(path.stat().st_size for path in delta_blobs(updated).values())
    assert sum(row.own_bytes for row in usage.kinds) == usage.stored_bytes


def test_a_sealed_lane_offers_the_deltas_of_its_mirror(updated, tmp_path):
    mirror = tmp_path / "mirror"
    mirrored(updated, mirror)
    keys = lane_keys(updated)
    sealed(updated, mirror, keys=keys)
    found = by_name(updated.install(location=str(mirror), trusted_root=keys.root))
    assert (found["core"][0], found["cpu"][0]) == ("b1", "b1")


def test_an_export_carries_deltas_to_another_machine(updated, tmp_path):
    mirror, disc, there = tmp_path / "mirror", tmp_path / "disc", tmp_path / "there"
    mirrored(updated, mirror)
    services = services_for(tmp_path / "carrier")
    export_mirror(mirror, disc, services=services, disk=updated.disk, part_size=100_000)
    import_export((disc,), there, trusted_root=updated.trusted_root, services=services, disk=updated.disk)
    assert by_name(updated.install(location=str(there)))["core"][0] == "b1"
