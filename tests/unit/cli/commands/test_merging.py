"""`merge` at the command line; what it does is tested in tests/unit/publish/test_joining.py."""

from __future__ import annotations

import pytest

from tests.simulators.engine_world import LayerFiles

CPU, AVX2 = (f"llama.cpp/linux-x86_64-{accel}" for accel in ("cpu", "avx2"))


@pytest.fixture
def dists(world):
    world.build("1", accel="avx2", dist="dist-avx2")
    return world.folder / "dist", world.folder / "dist-avx2"


def test_merge_names_what_it_added_and_the_next_command(user, dists, tmp_path):
    out = user.ok("merge", *dists, "--to", tmp_path / "all")
    assert f"added      {AVX2} 1\nadded      {CPU} 1\n5 files, " in out
    assert "3 more were the same as others, " in out
    assert f"publish --from {tmp_path / 'all'}" in user.err
    assert f"unchanged  {CPU} 1" in user.ok("merge", *dists, "--to", tmp_path / "all")
    user.ok("verify", tmp_path / "all")


def test_merge_with_json_prints_one_document(user, dists, tmp_path):
    told = user.json("merge", *dists, "--to", tmp_path / "all", "--dry-run")
    assert not (tmp_path / "all").exists()
    done = user.json("merge", *dists, "--to", tmp_path / "all")
    assert (told["dry_run"], done["dry_run"]) == (True, False)
    assert told["added"] == done["added"] == [f"{AVX2} 1", f"{CPU} 1"]
    assert told["bytes_added"] == done["bytes_added"] > 0


def test_merge_of_one_target_with_two_contents_exits_2(user, world, dists, tmp_path):
    other = world.build("1", (LayerFiles("core", {"bin/llama-server": b"another"}),), dist="dist-other")
    assert user.run("merge", *dists, other, "--to", tmp_path / "all") == 2
    assert str(dists[0]) in user.err
    assert str(other) in user.err
    assert not (tmp_path / "all").exists()


def test_merge_without_folders_or_with_one_that_is_none_exits_2(user, tmp_path):
    assert user.run("merge", "--to", tmp_path / "all") == 2
    assert user.run("merge", "nowhere", "--to", tmp_path / "all") == 2
    assert "nowhere has no manifest.json" in user.err
