"""``generate installers`` as a user calls it."""

from __future__ import annotations

import pytest

from tests.simulators.engine_world import World


@pytest.fixture
def options(world, tmp_path):
    world.publish()
    return ("generate", "installers", "--from", world.repository, "--to", tmp_path / "out")


def test_scripts_of_a_repository_are_written_and_then_fresh(user, world, options, tmp_path):
    options = (*options, "--trusted-root", world.keys_dir / "root.json", "--url", "https://mirror.example.com")
    made = user.json(*options)
    assert made["scripts"] == ["install.sh"]
    assert made["changed"][-2:] == ["install.sh", "installers.json"]
    text = (tmp_path / "out" / "install.sh").read_text()
    assert "base_url='https://mirror.example.com'" in text
    assert user.json(*options, "--check")["changed"] == []
    assert "is fresh" in user.ok(*options)


def test_stale_scripts_end_a_check_with_1_and_nothing_is_written(user, world, options, tmp_path):
    options = (*options, "--trusted-root", world.keys_dir / "root.json")
    assert user.run(*options, "--check") == 1
    assert "stale" in user.err
    assert not (tmp_path / "out").exists()
    assert user.run(*options, "--dry-run") == 0
    assert not (tmp_path / "out").exists()


def test_a_repository_that_others_have_signed_makes_none(user, options, tmp_path):
    (tmp_path / "others").mkdir()
    code = user.run(*options, "--trusted-root", World(tmp_path / "others").keys_dir / "root.json")
    assert code == 8
    assert not (tmp_path / "out").exists()


def test_scripts_of_a_dist_folder_are_made_with_a_warning(user, world, tmp_path):
    user.ok("generate", "installers", "--from", world.folder / "dist", "--to", tmp_path / "out")
    assert "nobody has signed" in user.err
    assert "'llama.cpp/linux-x86_64-cpu'" in (tmp_path / "out" / "install.sh").read_text()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--target", "linux-x86_64-rocm"], 2),
        (["--release", "b999"], 3),
        (["--url", "ftp://x"], 2),
        (["--nonsense"], 2),
    ],
)
def test_what_makes_no_sense_is_refused(user, world, options, tmp_path, more, code):
    assert user.run(*options, "--trusted-root", world.keys_dir / "root.json", *more) == code
    assert not (tmp_path / "out" / "install.sh").exists()


def test_a_folder_with_nothing_in_it_is_an_error(user, tmp_path):
    (tmp_path / "empty").mkdir()
    assert user.run("generate", "installers", "--from", tmp_path / "empty", "--to", tmp_path / "out") == 2
