"""Dist folders of many machines joined into one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.deploy.verify import verify
from pipeline.errors import (
    IntegrityError,
    NoSpaceError,
    NothingSelectedError,
    PartialReleaseError,
    PipelineError,
    RehearsalError,
    UsageError,
)
from pipeline.model.dist_folder import JoinOutcome
from pipeline.model.manifest_document import read_document, read_manifest, write_document
from pipeline.model.release_plan import PlannedBundle, ReleasePlan
from pipeline.model.step_times import TIMES_FILE, StepTime, StepTimes
from pipeline.publish.joining import Whole, join_dists
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import LayerFiles, World
from tests.simulators.mounts import mounted
from tests.simulators.stating import state

CORE = LayerFiles("core", {"bin/llama-server": b"core", "lib/l.so": "../bin/llama-server"})
STATEMENT = "llama.cpp-b1-cpu.intoto.json"
PARTS = {name: (CORE, LayerFiles(name, {f"lib/{name}.so": name.encode()})) for name in ("cpu", "avx2", "vulkan")}


@pytest.fixture
def machines(tmp_path: Path) -> World:
    """Two dist folders, of cpu and of avx2, with the same core layer."""
    world = World(tmp_path)
    for name in ("cpu", "avx2"):
        world.build("b1", PARTS[name], accel=name, dist=f"dist-{name}")
    return world


def joined(world: World, *names: str, to: Path | None = None, **choices: bool | Whole) -> JoinOutcome:
    services = world.services(world.folder / "merger")
    with contextlib.closing(services.store):
        return join_dists(
            [world.folder / name for name in names or ("dist-cpu", "dist-avx2")],
            to=to or world.folder / "joined",
            services=services,
            disk=world.disk,
            **choices,
        )


def is_whole(world: World, folder: Path) -> bool:
    return verify(folder, world.services(world.folder / "verifier"), disk=world.disk).ok


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def change(world: World, dist: str, edit: Callable[[dict], None]) -> None:
    path = world.folder / dist / "manifest.json"
    document = json.loads(path.read_text())
    edit(document["artifacts"][0])
    path.write_text(json.dumps(document))


def refused(world: World, error: type[PipelineError], *names: str, whole: Whole | None = None) -> PipelineError:
    """Return how a join is refused, in a dry run and otherwise, and see that nothing is written."""
    for dry_run in (True, False):
        with pytest.raises(error) as caught:
            joined(world, *names, dry_run=dry_run, whole=whole)
        target = world.folder / "joined"
        assert [path for path in target.rglob("*") if path.is_file()] == []
    return caught.value


def test_everything_is_in_one_folder_with_one_manifest(machines: World):
    outcome = joined(machines)
    folder = machines.folder / "joined"
    manifest = read_manifest((folder / "manifest.json").read_bytes())
    assert [artifact.accel for artifact in manifest.artifacts] == ["avx2", "cpu"]
    assert outcome.added == ("llama.cpp/linux-x86_64-avx2 b1", "llama.cpp/linux-x86_64-cpu b1")
    assert (outcome.files_added, outcome.files_shared) == (5, 1)  # two bundles, two backends, the core once
    assert is_whole(machines, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "layers",
        "llama.cpp-b1-avx2.tar.zst",
        "llama.cpp-b1-cpu.tar.zst",
        "manifest.json",
    ]


def test_the_joined_folder_can_be_published_and_installed(machines: World):
    joined(machines)
    machines.publish("joined")
    outcome = machines.install(target="linux-x86_64-avx2")
    assert (Path(outcome.path) / "lib/avx2.so").read_bytes() == b"avx2"


def test_times_of_all_machines_are_joined_and_damaged_ones_left_out(machines: World):
    fields = {"kind": "compile", "key": "a" * 64, "targets": ("t",), "start_milliseconds": 0}
    for number, name in enumerate(("cpu", "avx2")):
        run = f"2026-11-2{number}T00:00:00Z"
        times = [StepTime(step=step, milliseconds=number, run=run, **fields) for step in ("core", name)]
        (machines.folder / f"dist-{name}" / TIMES_FILE).write_bytes(write_document(StepTimes(steps=tuple(times))))
    machines.build("b1", PARTS["vulkan"], accel="vulkan", dist="dist-vulkan")
    (machines.folder / "dist-vulkan" / TIMES_FILE).write_text("{}]")
    joined(machines, "dist-avx2", "dist-vulkan", "dist-cpu")
    found = read_document(StepTimes, (machines.folder / "joined" / TIMES_FILE).read_bytes(), what="times")
    assert [(time.step, time.milliseconds) for time in found.steps] == [("cpu", 0), ("avx2", 1), ("core", 1)]
    assert is_whole(machines, machines.folder / "joined")


def test_times_are_never_published(machines: World):
    (machines.folder / "dist-cpu" / TIMES_FILE).write_bytes(write_document(StepTimes()))
    machines.publish("dist-cpu")
    assert not list(machines.repository.rglob(TIMES_FILE))


def test_doing_it_again_changes_nothing(machines: World):
    joined(machines)
    before = snapshot(machines.folder / "joined")
    outcome = joined(machines)
    assert (outcome.changed, outcome.added, outcome.files_added) == (False, (), 0)
    assert len(outcome.unchanged) == 2
    assert snapshot(machines.folder / "joined") == before


def test_the_order_of_the_folders_does_not_matter(machines: World):
    joined(machines, "dist-cpu", "dist-avx2")
    joined(machines, "dist-avx2", "dist-cpu", to=machines.folder / "other")
    first, second = (machines.folder / name / "manifest.json" for name in ("joined", "other"))
    assert first.read_bytes() == second.read_bytes()


def test_what_the_folder_holds_already_stays(machines: World):
    joined(machines, "dist-cpu")
    machines.build("b1", PARTS["vulkan"], accel="vulkan", dist="dist-vulkan")
    outcome = joined(machines, "dist-vulkan", "dist-avx2")
    assert len(outcome.added) == 2
    assert outcome.unchanged == ("llama.cpp/linux-x86_64-cpu b1",)
    assert is_whole(machines, machines.folder / "joined")


def test_a_folder_may_be_named_twice_and_be_the_one_to_join_into(machines: World):
    outcome = joined(machines, "dist-cpu", "dist-cpu", "dist-avx2", to=machines.folder / "dist-cpu")
    assert outcome.added == ("llama.cpp/linux-x86_64-avx2 b1",)
    assert is_whole(machines, machines.folder / "dist-cpu")


def test_a_dry_run_says_the_same_and_writes_nothing(machines: World):
    told = joined(machines, dry_run=True)
    assert not (machines.folder / "joined").exists()
    done = joined(machines)
    assert told.model_copy(update={"dry_run": False}) == done


def test_the_release_is_that_of_the_newest_manifest(machines: World):
    path = machines.folder / "dist-avx2/manifest.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "release": "2026.12.0", "created": "2026-12-01T00:00:00Z"}))
    assert joined(machines).release == "2026.12.0"


def test_provenance_and_bills_of_materials_come_along(machines: World):
    for name in ("cpu", "avx2"):
        state(machines.folder / f"dist-{name}")
    assert joined(machines).files_added == 9
    folder = machines.folder / "joined"
    artifacts = read_manifest((folder / "manifest.json").read_bytes()).artifacts
    for artifact, name in zip(artifacts, ("avx2", "cpu"), strict=True):
        for path in (artifact.provenance, artifact.sbom):
            assert (folder / path).read_bytes() == (machines.folder / f"dist-{name}" / path).read_bytes()
    assert is_whole(machines, folder)


def test_files_that_no_manifest_names_are_left_behind(machines: World):
    (machines.folder / "dist-cpu/build.log").write_text("x")
    joined(machines)
    assert not (machines.folder / "joined/build.log").exists()


def test_one_key_with_other_bytes_is_refused_and_both_folders_are_named(machines: World):
    machines.build("b1", (LayerFiles("core", {"bin/llama-server": b"another"}),), dist="dist-other")
    error = refused(machines, UsageError, "dist-cpu", "dist-avx2", "dist-other")
    assert error.exit_code == 2
    assert str(machines.folder / "dist-cpu") in error.message
    assert str(machines.folder / "dist-other") in error.message
    assert "llama.cpp/linux-x86_64-cpu b1" in error.message


def test_one_key_with_another_entry_or_another_statement_is_refused(machines: World):
    shutil.copytree(machines.folder / "dist-cpu", machines.folder / "dist-other")
    change(machines, "dist-other", lambda artifact: artifact.update(licenses=["BSD"]))
    refused(machines, UsageError, "dist-cpu", "dist-other")
    shutil.rmtree(machines.folder / "dist-other")
    (machines.folder / "dist-cpu/s.json").write_text("1")
    change(machines, "dist-cpu", lambda artifact: artifact.update(sbom="s.json"))
    shutil.copytree(machines.folder / "dist-cpu", machines.folder / "dist-other")
    (machines.folder / "dist-other/s.json").write_text("2")
    refused(machines, UsageError, "dist-cpu", "dist-other")


def test_one_build_with_another_compiler_cache_is_the_same_and_the_first_statement_stays(machines: World):
    shutil.copytree(machines.folder / "dist-cpu", machines.folder / "dist-other")
    for dist, cache in (("dist-cpu", "local"), ("dist-other", "redis")):
        state(machines.folder / dist, compiler_caches=(cache,))
    first, other = ((machines.folder / name / STATEMENT).read_bytes() for name in ("dist-cpu", "dist-other"))
    assert first != other
    joined(machines, "dist-cpu", "dist-other")
    assert (machines.folder / "joined" / STATEMENT).read_bytes() == first
    assert not joined(machines, "dist-other").changed
    assert is_whole(machines, machines.folder / "joined")


def test_provenance_that_says_anything_else_otherwise_is_refused(machines: World):
    shutil.copytree(machines.folder / "dist-cpu", machines.folder / "dist-other")
    for dist, builder in (("dist-cpu", "1.2.3"), ("dist-other", "1.2.4")):
        state(machines.folder / dist, compiler_caches=("local",), builder_version=builder)
    refused(machines, UsageError, "dist-cpu", "dist-other")


def rename(world: World, dist: str, url: str) -> None:
    """Give the bundle of a dist folder another name."""

    def edit(artifact: dict) -> None:
        place = world.folder / dist / url
        place.parent.mkdir(exist_ok=True)
        (world.folder / dist / artifact["url"]).rename(place)
        artifact["url"] = url

    change(world, dist, edit)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bundle.tar.zst", "bundle.tar.zst"),
        ("bundle.tar.zst", "Bundle.tar.zst"),
        ("bundle", "bundle/inside.tar.zst"),
        (".staging/0", "bundle.tar.zst"),
    ],
)
def test_paths_in_each_others_way_are_refused(machines: World, first: str, second: str):
    rename(machines, "dist-cpu", first)
    rename(machines, "dist-avx2", second)
    refused(machines, UsageError)


def test_a_file_that_is_missing_cut_or_changed_is_refused(machines: World):
    bundle = machines.folder / "dist-avx2/llama.cpp-b1-avx2.tar.zst"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-1] + b"X")
    refused(machines, IntegrityError)
    bundle.write_bytes(whole[:-1])
    refused(machines, IntegrityError)
    bundle.unlink()
    refused(machines, IntegrityError)


def test_folders_that_are_none_or_empty_are_refused(machines: World):
    refused(machines, UsageError, "nowhere")
    refused(machines, UsageError, "dist-cpu", "trees")
    path = machines.folder / "dist-cpu/manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "artifacts": []}))
    refused(machines, NothingSelectedError)
    path.write_text("{")
    refused(machines, IntegrityError)


def test_a_file_in_the_way_is_not_overwritten(machines: World):
    target = machines.folder / "joined"
    target.mkdir()
    (target / "llama.cpp-b1-cpu.tar.zst").write_text("mine")
    with pytest.raises(UsageError, match="is in the way"):
        joined(machines)
    assert [path.name for path in target.iterdir()] == ["llama.cpp-b1-cpu.tar.zst"]
    assert (target / "llama.cpp-b1-cpu.tar.zst").read_text() == "mine"


def test_a_link_is_taken_as_the_file_it_leads_to(machines: World):
    bundle = machines.folder / "dist-cpu/llama.cpp-b1-cpu.tar.zst"
    elsewhere = bundle.rename(machines.folder / "elsewhere")
    bundle.symlink_to(elsewhere)
    joined(machines)
    assert not (machines.folder / "joined" / bundle.name).is_symlink()
    assert is_whole(machines, machines.folder / "joined")


@pytest.fixture
def in_memory() -> Iterator[World]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="joining-", dir=memory if memory.is_dir() else None))
    world = World(folder)
    for name in ("cpu", "avx2"):
        world.build("b1", PARTS[name], accel=name, dist=f"dist-{name}")
    yield world
    shutil.rmtree(folder)


@pytest.mark.parametrize("began", ["empty", "with cpu"])
def test_a_join_that_dies_anywhere_leaves_the_old_manifest_or_the_new_one(in_memory: World, began: str):
    world, target = in_memory, in_memory.folder / "joined"
    if began == "with cpu":
        joined(world, "dist-cpu", to=world.folder / "before")
    for number in range(1, 200):
        shutil.rmtree(target, ignore_errors=True)
        if began == "with cpu":
            shutil.copytree(world.folder / "before", target)
        died = dies_before(number, lambda: joined(world))
        path = target / "manifest.json"
        accels = [artifact.accel for artifact in read_manifest(path.read_bytes()).artifacts] if path.exists() else []
        assert accels in ([] if began == "empty" else ["cpu"], ["avx2", "cpu"]), number
        joined(world)
        assert is_whole(world, target), number
        assert not (target / ".staging").exists(), number
        if not died:
            assert number > 20
            return
    raise AssertionError("the join makes more changes than this test expects")


def test_a_full_disk_leaves_what_was_there(tmp_path: Path):
    world = World(tmp_path)
    world.build("b1", PARTS["cpu"], accel="cpu", dist="dist-cpu")
    world.build("b1", (LayerFiles("core", {"bin/llama-server": os.urandom(2 << 20)}),), accel="avx2", dist="dist-avx2")
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=2m", "tmpfs") as disk:
        joined(world, "dist-cpu", to=disk / "joined")
        before = snapshot(disk)
        with pytest.raises(NoSpaceError):
            joined(world, "dist-avx2", to=disk / "joined")
        assert snapshot(disk) == before
        assert is_whole(world, disk / "joined")


def planned(*accels: str) -> ReleasePlan:
    return ReleasePlan(
        bundles=tuple(PlannedBundle(target=f"llama.cpp/linux-x86_64-{accel}", version="b1") for accel in accels)
    )


def test_a_release_that_lacks_something_planned_is_refused_and_nothing_is_written(machines: World):
    whole = Whole(planned("cpu", "avx2", "vulkan"))
    error = refused(machines, PartialReleaseError, whole=whole)
    assert "llama.cpp/linux-x86_64-vulkan b1" in error.message
    assert error.exit_code == 2


def test_a_partial_release_is_joined_on_request_and_says_what_is_missing(machines: World):
    outcome = joined(machines, whole=Whole(planned("cpu", "avx2", "vulkan"), partial=True))
    assert outcome.missing == ("llama.cpp/linux-x86_64-vulkan b1",)
    manifest = read_manifest((machines.folder / "joined/manifest.json").read_bytes())
    assert [str(bundle) for bundle in manifest.partial.missing] == ["llama.cpp/linux-x86_64-vulkan b1"]
    assert is_whole(machines, machines.folder / "joined")


def test_a_partial_release_stays_so_until_what_is_missing_comes(machines: World):
    machines.build("b1", PARTS["vulkan"], accel="vulkan", dist="dist-vulkan")
    joined(machines, "dist-cpu", whole=Whole(planned("cpu", "avx2", "vulkan"), partial=True))
    with pytest.raises(PartialReleaseError):
        joined(machines, "dist-avx2")
    assert joined(machines, "dist-avx2", whole=Whole(partial=True)).missing == ("llama.cpp/linux-x86_64-vulkan b1",)
    outcome = joined(machines, "dist-vulkan")
    assert (outcome.planned, outcome.missing) == (True, ())
    assert read_manifest((machines.folder / "joined/manifest.json").read_bytes()).partial is None


def test_another_plan_counts_more_than_what_the_folders_say(machines: World):
    joined(machines, "dist-cpu", whole=Whole(planned("cpu", "sycl"), partial=True))
    assert joined(machines, "dist-avx2", whole=Whole(planned("cpu", "avx2"))).missing == ()


def test_another_version_of_a_planned_bundle_is_not_it(machines: World):
    plan = ReleasePlan(bundles=(PlannedBundle(target="llama.cpp/linux-x86_64-cpu", version="b2"),))
    assert "llama.cpp/linux-x86_64-cpu b2" in refused(machines, PartialReleaseError, whole=Whole(plan)).message


def test_a_rehearsal_is_never_joined_with_anything_real(machines: World):
    change(machines, "dist-cpu", lambda artifact: artifact.update(rehearsal=True))
    error = refused(machines, RehearsalError)
    assert "dist-cpu" in error.message
    assert "dist-avx2" in error.message
    change(machines, "dist-avx2", lambda artifact: artifact.update(rehearsal=True))
    assert joined(machines).rehearsal
