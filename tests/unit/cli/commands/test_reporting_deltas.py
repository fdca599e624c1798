"""`report footprint` of a repository counts its deltas; both are made by the real `publish`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from pipeline.model.repository_layout import DeltaTrees, blob_path, trees_of_delta_target
from pipeline.publish import deltas
from pipeline.publish.state import read_state
from tests.simulators.changing_layers import SIZE, layers
from tests.simulators.engine_world import LayerFiles
from tests.simulators.web import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tuf.api.metadata import TargetFile

TARGET = "llama.cpp/linux-x86_64-cpu"


@pytest.fixture
def world(world):
    """A world with three versions in a folder each: core and cpu change a little, runtime never does."""
    for number in (1, 2, 3):
        world.build(str(number), layers(number), dist=f"dist-{number}")
    return world


def publish(world, *numbers: int, deltas: int = 1) -> None:
    for number in numbers:
        world.publish(f"dist-{number}", deltas=deltas)


def report(user, world, *options: object) -> list[dict]:
    """Return the updates of a report of the repository."""
    place = () if "--from" in options else ("--from", world.repository)
    trusted = ("--trusted-root", world.keys_dir / "root.json")
    return user.json("report", "footprint", *place, *trusted, *options)["report"]["updates"]


def signed(world) -> dict[DeltaTrees, TargetFile]:
    state = read_state(world.repository, trusted_root=world.trusted_root)
    return {trees: file for path, file in state.published.items() if (trees := trees_of_delta_target(path))}


def delta_of(world, name: str, old: str, new: str) -> TargetFile:
    """Return the delta of a layer from one version to another."""
    state = read_state(world.repository, trusted_root=world.trusted_root)
    trees = {(a.version, x.name): x.tree_sha256 for a in state.manifests["llama.cpp"].artifacts for x in a.layers}
    return signed(world)[DeltaTrees(trees[old, name], trees[new, name])]


def path_of(world, file: TargetFile) -> Path:
    return world.repository / blob_path(file.hashes["sha256"])


def test_every_step_has_the_sizes_of_the_published_deltas_and_the_last_is_what_install_brings(user, world, root):
    publish(world, 1, 2)
    world.install(root=root)
    publish(world, 3)
    first, second = report(user, world)
    for one, old, new in ((first, "1", "2"), (second, "2", "3")):
        assert (one["target"], one["baseline"], one["version"]) == (TARGET, old, new)
        sizes = {name: delta_of(world, name, old, new).length for name in ("core", "cpu")}
        assert {layer["name"]: layer["delta"] for layer in one["layers"]} == sizes
        assert {layer["comes"] for layer in one["layers"]} == {"delta"}
        assert one["with_deltas"] == sum(sizes.values())
        assert 0 < one["with_deltas"] < one["by_layer"] // 10 < one["naive"] // 10
        assert all(layer["ratio"] == round(layer["delta"] / layer["whole"], 4) for layer in one["layers"])
    installed = world.install(root=root, deltas=True)
    assert installed.downloaded_bytes == second["with_deltas"]
    assert [layer.delta_from for layer in installed.layers] == ["2", "2", None]


def test_a_repository_without_deltas_says_so(user, world, tmp_path):
    publish(world, 1, 2, deltas=0)
    (update,) = report(user, world)
    assert update["with_deltas"] == update["by_layer"]
    assert {layer["comes"] for layer in update["layers"]} == {"none"}
    for name in ("report.html", "report.md"):
        assert "no delta in this repository is of use" in (tmp_path / "home/report" / name).read_text()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"), [(shorten, "damaged"), (flip, "damaged"), (lambda path: path.unlink(), "missing")]
)
def test_a_delta_that_is_missing_or_damaged_is_named_and_its_layer_counts_whole(user, world, tmp_path, damage, said):
    publish(world, 1, 2)
    core, cpu = (delta_of(world, name, "1", "2") for name in ("core", "cpu"))
    damage(path_of(world, core))
    (update,) = report(user, world)
    by_name = {layer["name"]: layer for layer in update["layers"]}
    assert [by_name[name]["comes"] for name in ("core", "cpu")] == [said, "delta"]
    assert update["with_deltas"] == by_name["core"]["whole"] + cpu.length
    warned = f"the delta being damaged: core of {TARGET} 1 → 2" in user.err
    assert ("warning:" in user.err, warned) == (said == "damaged", said == "damaged")
    assert f"its delta is {said}" in (tmp_path / "home/report/report.html").read_text()


def test_a_mirror_that_is_to_hold_no_deltas_has_no_fault_and_says_once_that_it_holds_none(user, world, tmp_path):
    publish(world, 1, 2, 3)
    mirror, trusted = tmp_path / "mirror", ("--trusted-root", world.keys_dir / "root.json")
    user.ok("mirror", "create", "--from", world.repository, "--to", mirror, *trusted, "--without-deltas", "--keep", "3")
    user.ok("report", "footprint", "--from", mirror, *trusted)
    said = "his copy holds none of its deltas: those of 4 layers of updates, counted whole"
    assert user.err.count(f"t{said}") == 1
    assert "warning:" not in user.err
    for name in ("report.html", "report.md"):
        assert f"T{said}." in (tmp_path / "home/report" / name).read_text()


def test_a_layer_whose_delta_does_not_pay_comes_whole(user, world, tmp_path):
    core, cpu, *others = layers(2)
    other = LayerFiles(cpu.name, {"lib/libggml-cpu.so": random.Random(99).randbytes(SIZE)})
    world.build("2", (core, other, *others), dist="dist-2")
    publish(world, 1, 2)
    (update,) = report(user, world)
    assert [(layer["name"], layer["comes"]) for layer in update["layers"]] == [("core", "delta"), ("cpu", "none")]
    assert update["with_deltas"] == delta_of(world, "core", "1", "2").length + update["layers"][1]["whole"]
    assert "no delta is published" in (tmp_path / "home/report/report.md").read_text()


def test_a_published_delta_larger_than_its_layer_is_not_taken_as_install_takes_none(user, world, root, monkeypatch):
    monkeypatch.setattr(deltas, "WORTH", 100)
    core, cpu, *others = layers(2)
    other = LayerFiles(cpu.name, {"lib/libggml-cpu.so": b"smaller than the list of a delta"})
    world.build("2", (core, other, *others), dist="dist-2")
    publish(world, 1)
    world.install(root=root)
    publish(world, 2)
    (update,) = report(user, world)
    layer = update["layers"][1]
    assert (layer["name"], layer["comes"]) == ("cpu", "larger")
    assert layer["delta"] == delta_of(world, "cpu", "1", "2").length >= layer["whole"]
    assert world.install(root=root).downloaded_bytes == update["with_deltas"]


def test_over_http_no_delta_is_downloaded(user, world):
    publish(world, 1, 2)
    folder = report(user, world)
    with serving(world.repository) as (url, asked):
        web = report(user, world, "--from", url)
    assert web == folder
    assert web[0]["with_deltas"] < web[0]["by_layer"]
    named = [file.hashes["sha256"] for file in signed(world).values()]
    assert named
    assert not [path for path in asked if any(sha256 in path for sha256 in named)]


def test_two_versions_back_there_are_deltas_where_two_were_made(user, world):
    publish(world, 1, 2, 3, deltas=2)
    compared = [one for one in report(user, world, "--baseline", "1") if one["compared"]]
    assert [(one["baseline"], one["version"]) for one in compared] == [("1", "3")]
    assert {layer["comes"] for layer in compared[0]["layers"]} == {"delta"}


def test_a_dist_folder_has_none_and_says_so(user, world, tmp_path):
    world.build("2", layers(2), dist="dist-1")
    (update,) = report(user, world, "--from", world.folder / "dist-1")
    assert update["with_deltas"] is None
    assert {layer["comes"] for layer in update["layers"]} == {"unmeasured"}
    for name in ("report.html", "report.md"):
        assert "A dist folder has no deltas to measure" in (tmp_path / "home/report" / name).read_text()


def test_the_update_of_a_dist_folder_to_come_is_not_measured_by_what_the_old_repository_has(user, world):
    publish(world, 1)
    (update,) = report(user, world, "--from", world.folder / "dist-2", "--baseline-from", world.repository)
    assert (update["baseline"], update["version"], update["with_deltas"]) == ("1", "2", None)
