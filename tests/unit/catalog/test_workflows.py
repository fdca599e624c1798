"""recipes/ci: every mistake is named, and what is built needs a runner and its packages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.catalog import RecipeError, has_workflows, load_workflows
from pipeline.catalog.workflows import system_of


@pytest.fixture
def recipes(recipes_dir, tmp_path) -> Path:
    shutil.copytree(recipes_dir / "ci", tmp_path / "ci")
    return tmp_path


def change(recipes: Path, name: str, old: str, new: str) -> None:
    path = recipes / "ci" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refusal(recipes: Path, catalog) -> str:
    with pytest.raises(RecipeError) as refused:
        load_workflows(recipes, catalog)
    return refused.value.message


def test_the_projects_own_are_right(recipes, catalog):
    assert load_workflows(recipes, catalog).github.runners["linux-x86_64"] == "ubuntu-24.04"
    assert has_workflows(recipes)
    assert not has_workflows(recipes / "ci")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("runner_packages.toml", "[kinds.cpu.linux]", "", "kinds.cpu.linux: is missing"),
        ("runner_packages.toml", "[compiler.linux]\napt", "[compiler.linux]\naptt", "unknown key; did you mean 'apt'?"),
        ("runner_packages.toml", "[kinds.cpu.windows]", "[kinds.tpu.linux]", "kinds.tpu: is none of"),
        ("runner_packages.toml", '"g++"', '"g++; reboot"', "compiler.linux.apt.2"),
        (
            "runner_packages.toml",
            "https://repo.radeon.com/rocm/apt",
            "http://repo.radeon.com/rocm/apt",
            "apt_repository.url",
        ),
        ("runner_packages.toml", "CA8BB4727A47B4D09B4EE8969386B48A1A693C5C", "1A693C5C", "key_fingerprint"),
        (
            "runner_packages.toml",
            '"12.9"',
            '"12.8"',
            "CUDA 12.9 on linux-x86_64 has neither pinned packages nor an entry",
        ),
        (
            "runner_packages.toml",
            '"12.9"',
            '"13.0"',
            "CUDA 13.0 on linux-x86_64 is installed, and packages of it are pinned",
        ),
        (
            "runner_packages.toml",
            'apt = ["rocm-hip-sdk"]',
            "",
            "ROCm 7.0 on linux-x86_64 has neither pinned packages nor",
        ),
        ("runner_packages.toml", 'suite = "/"', 'suite = "noble"', "components: a suite has some"),
        ("runner_packages.toml", 'suite = "noble"', 'suite = "/"', "the suite / has none"),
        (
            "runner_packages.toml",
            '[[kinds.cuda.linux.toolkits]]\nversion = "12.9"',
            '[[kinds.rocm.linux.toolkits]]\nversion = "12.9"',
            "kinds.cuda.linux.toolkits",
        ),
        ("github.toml", 'macos-arm64 = "macos-15"\n', "", "runners.macos-arm64: is missing"),
        ("github.toml", 'linux-arm64 = "ub', 'osx-arm64 = "ub', "runners: 'osx-arm64' is none of"),
        ("github.toml", 'windows-arm64 = "linux-x86_64"', 'windows-arm64 = "vms"', "there is no runner of 'vms'"),
        ("github.toml", "de0fac2e4500dabe0009e67214ff5f5447ce83dd", "v6", "actions.checkout.commit"),
        ("github.toml", '"ubuntu-24.04"', '"${{ github.head_ref }}"', "runners.linux-x86_64"),
        ("gitlab.toml", 'macos-x86_64 = "linux-x86_64"', "", "runners.macos-x86_64: is missing"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(recipes, catalog, name, old, new, said):
    change(recipes, name, old, new)
    message = refusal(recipes, catalog)
    assert said in message
    assert str(recipes / "ci" / name) in message


def test_a_file_that_is_not_there_is_named_with_the_others_mistakes(recipes, catalog):
    (recipes / "ci" / "gitlab.toml").unlink()
    change(recipes, "github.toml", "python = ", "pithon = ")
    message = refusal(recipes, catalog)
    assert "gitlab.toml: cannot be read" in message
    assert "github.toml" in message


@pytest.mark.parametrize(
    ("platform", "label", "system"),
    [
        ("windows-x86_64", "ubuntu-24.04", "linux"),
        ("windows-x86_64", "windows-2022", "windows"),
        ("windows-x86_64", "big-machine", "windows"),
        ("macos-arm64", "", "macos"),
        ("linux-arm64", "saas-linux-medium-arm64", "linux"),
    ],
)
def test_the_system_of_a_runner_is_in_its_label_or_its_platform(platform, label, system):
    assert system_of(platform, label) == system
