"""Pinned releases are read whole and right, or refused with file and key."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.catalog import RecipeError
from pipeline.catalog.upstream import read_pinned_releases, read_preferences
from pipeline.model.manifest_document import write_document
from pipeline.names import UnknownNameError, parse_target
from pipeline.upstream.archive_choice import choose_archives

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(recipes_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recipes_dir / "upstream", tmp_path / "upstream")


def change(folder: Path, edit) -> Path:
    path = folder / "llama.cpp" / "b10892.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        read_pinned_releases(folder)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_the_pin_of_b10892_is_the_whole_real_release(recipes_dir):
    release = read_pinned_releases(recipes_dir / "upstream")["llama.cpp"]["b10892"]
    assert (release.repository, release.build_number, release.published_at) == (
        "ggml-org/llama.cpp", 10892, "2026-09-09T22:14:05Z",
    )  # fmt: skip
    assert len(release.assets) == 27
    assert sum(asset.size_bytes for asset in release.assets) == 2_716_349_784
    assert {asset.level for asset in release.assets} == {"digest"}
    assert release.targets["windows-x86_64-cuda-12.4"] == (
        "llama-b10892-bin-win-cuda-12.4-x64.zip",
        "cudart-llama-bin-win-cuda-12.4-x64.zip",
    )
    assert release.targets["linux-x86_64-sycl"] == ("llama-b10892-bin-ubuntu-sycl-fp32-x64.tar.gz",)
    assert release.asset("llama-b10892-bin-ubuntu-x64.tar.gz").size_bytes == 16_814_543


def test_the_targets_of_every_shipped_pin_are_those_that_its_names_mean(recipes_dir, catalog):
    folder = recipes_dir / "upstream"
    for engine, releases in read_pinned_releases(folder).items():
        for release in releases.values():
            names = [asset.name for asset in release.assets]
            choice = choose_archives(names, read_preferences(folder, engine), catalog.archive_parts(engine))
            assert dict(choice.targets) == release.targets
            assert choice.unknown == ()
            assert all(parse_target(f"{engine}/{target}") for target in release.targets)


def test_every_shipped_pin_is_spelled_as_the_program_writes_it(recipes_dir):
    folder = recipes_dir / "upstream"
    for engine, releases in read_pinned_releases(folder).items():
        for tag, release in releases.items():
            assert (folder / engine / f"{tag}.json").read_bytes() == write_document(release)
            assert [asset.name for asset in release.assets] == sorted(asset.name for asset in release.assets)


def test_a_folder_that_is_not_there_holds_no_pins(tmp_path):
    assert read_pinned_releases(tmp_path / "nowhere") == {}


def test_a_wrong_digest_names_file_and_key(folder):
    path = change(folder, lambda it: it["assets"][3].update(sha256="beef"))
    assert f"{path}: assets.3.sha256:" in refusal(folder)


def test_an_unknown_key_names_the_near_one(folder):
    path = change(folder, lambda it: it.update(build_numbers=1))
    assert f"{path}: build_numbers: unknown key; did you mean 'build_number'?" in refusal(folder)


@pytest.mark.parametrize(("edit", "key"), [
    (lambda it: it.update(tag="b10893"), "tag: is 'b10893'"),
    (lambda it: it.update(engine="other"), "engine: is 'other'"),
    (lambda it: it.update(build_number=1), "build_number: is 1"),
    (lambda it: it["targets"].update({"linux-x86_64-gpu": ["llama-b10892-ui.tar.gz"]}), "targets.linux-x86_64-gpu: "),
    (lambda it: it["targets"]["linux-x86_64-cpu"].append("absent.zip"), "absent.zip"),
    (lambda it: it["assets"].append(it["assets"][0]), "two assets have one name"),
    (lambda it: it["assets"][0].update(urls=["ftp://example.com/x"]), "assets.0.urls.0"),
    (lambda it: it["assets"][0].update(size_bytes=1.5), "1.5 is not a whole number"),
    (lambda it: it["assets"][0].update(level="guessed"), "assets.0.level"),
    (lambda it: it.update(published_at="2026-13-45T99:99:99Z"), "published_at: "),
])  # fmt: skip
def test_a_pin_that_contradicts_itself_is_refused(folder, edit, key):
    change(folder, edit)
    assert key in refusal(folder)


def test_a_key_that_stands_twice_is_refused(folder):
    path = folder / "llama.cpp" / "b10892.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 1, "schema_version": 1'))
    assert "stands twice" in refusal(folder)


def test_all_files_are_complained_about_at_once(folder):
    change(folder, lambda it: it.update(build_number=1))
    (folder / "llama.cpp" / "b1.json").write_text("[]")
    (folder / "llama.cpp" / "preferences.toml").write_text("schema_version = 2")
    text = refusal(folder)
    assert all(name in text for name in ("b10892.json", "b1.json", "preferences.toml"))


def test_an_engine_without_preferences_is_not_known(folder):
    with pytest.raises(UnknownNameError, match="mlx-lm"):
        read_preferences(folder, "mlx-lm")


def test_preferences_for_a_target_that_does_not_exist_are_refused(folder):
    path = folder / "llama.cpp" / "preferences.toml"
    path.write_text(path.read_text().replace("linux-x86_64-sycl", "linux-x86_64-cycl"))
    with pytest.raises(RecipeError, match=r"preferences\.toml: prefer\.linux-x86_64-cycl: unknown accelerator"):
        read_preferences(folder, "llama.cpp")
