"""Pins are held against the recipes and against what their archives are called."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.catalog import RecipeError, load, read_archive_parts

if TYPE_CHECKING:
    from pathlib import Path

CUDA = "windows-x86_64-cuda-12.4"
LINUX = "linux-x86_64-cpu"


@pytest.fixture
def copy(recipes_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recipes_dir, tmp_path / "recipes")


def change(folder: Path, edit) -> None:
    path = folder / "upstream" / "llama.cpp" / "b10892.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def made_of(target: str, *archives: str):
    return lambda it: it["targets"].update({target: list(archives)})


@pytest.mark.parametrize(("edit", "complaint"), [
    (made_of(CUDA, "llama-b10892-bin-win-cuda-12.4-x64.zip"), f"targets.{CUDA}: has no archive with the runtime"),
    (made_of(CUDA, "llama-b10892-bin-win-cuda-13.3-x64.zip", "cudart-llama-bin-win-cuda-12.4-x64.zip"),
     f"targets.{CUDA}: llama-b10892-bin-win-cuda-13.3-x64.zip is by its name the engine of windows-x86_64-cuda-13.3"),
    (made_of(CUDA, "llama-b10892-bin-win-cuda-12.4-x64.zip", "cudart-llama-bin-win-cuda-13.3-x64.zip"),
     "is by its name the runtime of windows-x86_64-cuda-13.3, not the runtime"),
    (made_of(CUDA, "llama-b10892-bin-win-cuda-12.4-x64.zip", "llama-b10892-ui.tar.gz"), "is by its name the ui of"),
    (made_of(CUDA, "cudart-llama-bin-win-cuda-12.4-x64.zip", "llama-b10892-bin-win-cuda-12.4-x64.zip"),
     "is by its name the runtime of windows-x86_64-cuda-12.4, not the engine"),
    (made_of(LINUX, "llama-b10892-bin-macos-x64.tar.gz"), f"targets.{LINUX}: llama-b10892-bin-macos-x64.tar.gz is by"),
    (made_of("windows-x86_64-noavx", "llama-b10892-bin-win-cpu-x64.zip"), "no recipe says what 'noavx' is"),
])  # fmt: skip
def test_a_target_made_of_what_is_not_its_own_is_refused(copy, edit, complaint):
    change(copy, edit)
    with pytest.raises(RecipeError) as caught:
        load(copy)
    assert caught.value.exit_code == 2
    assert complaint in caught.value.message


def test_an_archive_of_another_release_is_refused(copy):
    def rename(it):
        asset = next(asset for asset in it["assets"] if asset["name"] == "llama-b10892-bin-ubuntu-x64.tar.gz")
        asset["name"] = "llama-b10891-bin-ubuntu-x64.tar.gz"
        it["targets"][LINUX] = [asset["name"]]

    change(copy, rename)
    with pytest.raises(RecipeError, match="is by its name of the release b10891"):
        load(copy)


def test_what_archives_are_made_of_is_read_although_a_pin_is_wrong(copy, catalog):
    change(copy, made_of(LINUX))
    assert read_archive_parts(copy, "llama.cpp") == catalog.archive_parts("llama.cpp")


def test_names_are_read_only_for_an_engine_with_preferences(copy):
    """Another engine's releases have names of their own."""
    change(copy, made_of(LINUX, "llama-b10892-bin-macos-x64.tar.gz"))
    (copy / "upstream" / "llama.cpp" / "preferences.toml").unlink()
    assert load(copy).upstream["llama.cpp"]["b10892"].targets[LINUX] == ("llama-b10892-bin-macos-x64.tar.gz",)
