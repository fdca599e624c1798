"""The pin of Miniforge's installers is read strictly, and what is written is read back."""

from __future__ import annotations

import re

import pytest

from pipeline.catalog import check_locks, load
from pipeline.catalog.lock_files import LockError
from pipeline.catalog.miniforge import MINIFORGE, miniforge_text, read_miniforge
from pipeline.names import PLATFORMS, miniforge_file
from tests.simulators import miniforge, tiny_engine
from tests.simulators.locked_environment import TinyEnvironment, write_recipes

NAMES = {platform: miniforge_file(miniforge.VERSION, platform) for platform in ("macos-arm64", "linux-x86_64")}
PINNED = {platform: miniforge.pinned(platform.encode(), name) for platform, name in NAMES.items()}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / MINIFORGE).write_text(miniforge_text("mlx", PINNED))
    return tmp_path


def test_what_is_written_is_read_back(folder):
    assert {platform: read_miniforge(folder, platform) for platform in PINNED} == PINNED


def test_where_nothing_is_pinned_there_is_nothing(tmp_path):
    assert read_miniforge(tmp_path, "linux-x86_64") is None


def test_each_platform_with_a_shell_has_the_name_that_a_release_gives_it():
    assert {platform: miniforge_file("1.2-3", platform) for platform in PLATFORMS} == {
        "linux-x86_64": "Miniforge3-1.2-3-Linux-x86_64.sh",
        "linux-arm64": "Miniforge3-1.2-3-Linux-aarch64.sh",
        "macos-arm64": "Miniforge3-1.2-3-MacOSX-arm64.sh",
        "macos-x86_64": "Miniforge3-1.2-3-MacOSX-x86_64.sh",
        "windows-x86_64": None,
        "windows-arm64": None,
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[installers.linux-x86_64]", "[installers.linux-arm64]", "installers.linux-x86_64: is missing"),
        ("Linux-x86_64.sh", "Linux-aarch64.sh", "installers.linux-x86_64.filename: is "),
        (f'"{PINNED["linux-x86_64"].sha256}"', '"00"', "installers.linux-x86_64.sha256: "),
        (f'"{PINNED["linux-x86_64"].sha256}"', "1", "installers.linux-x86_64.sha256: "),
        (f"size = {len('linux-x86_64')}", "size = 0", "installers.linux-x86_64.size: "),
        ('license = "BSD-3-Clause"\n', "", "license: is missing"),
        ("releases = ", 'mirror = "x"\nreleases = ', "mirror: "),
        ("https://github.com", "ftp://github.com", "releases: "),
        ("[installers.", "[[installers.", "is no TOML"),
    ],
)
def test_a_pin_that_makes_no_sense_is_refused_with_its_key(folder, old, new, said):
    path = folder / MINIFORGE
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(LockError, match=re.escape(said)) as caught:
        read_miniforge(folder, "linux-x86_64")
    assert str(path) in caught.value.message


def test_check_reads_the_pins_of_all_environments(tmp_path):
    recipes = write_recipes(tiny_engine.write_recipes(tmp_path / "recipes", tmp_path / "source"))
    folder = TinyEnvironment().write(tmp_path / "envs")
    catalog = load(recipes)
    assert check_locks(catalog) == ("tiny",)
    (folder / MINIFORGE).write_text(miniforge_text("tiny", {"macos-arm64": PINNED["macos-arm64"]}))
    with pytest.raises(LockError, match=r"installers\.linux-x86_64: is missing"):
        check_locks(catalog)
