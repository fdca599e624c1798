"""``generate ci``: files for a checkout, kept fresh, and what it says to what makes no sense."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

GITHUB = [".github/workflows/nightly.yml", ".github/workflows/release.yml", ".github/workflows/upstream.yml"]


@pytest.fixture
def checkout(tmp_path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def matrix(checkout: Path) -> dict[str, dict]:
    document = yaml.safe_load((checkout / GITHUB[1]).read_text())
    return {entry["job"]: entry for entry in document["jobs"]["build"]["strategy"]["matrix"]["include"]}


def test_it_writes_the_files_of_all_providers_once(user, checkout):
    first = user.json("generate", "ci", "--output", checkout)
    assert first["files"] == first["changed"] == [*GITHUB, ".gitlab-ci.yml"]
    assert first["jobs"]["github"] == first["jobs"]["gitlab"] == list(matrix(checkout))
    assert sorted(path.name for path in checkout.iterdir()) == [".github", ".gitlab-ci.yml"]
    assert user.json("generate", "ci", "--output", checkout)["changed"] == []


def test_a_dry_run_says_what_it_would_write_and_writes_nothing(user, checkout):
    assert "would write  .gitlab-ci.yml" in user.ok("generate", "ci", "--output", checkout, "--dry-run")
    assert list(checkout.iterdir()) == []


def test_a_check_ends_with_1_names_the_first_difference_and_changes_nothing(user, checkout):
    user.ok("generate", "ci", "--output", checkout)
    path = checkout / GITHUB[1]
    path.write_text(path.read_text().replace("contents: read", "contents: write", 1))
    before = path.read_bytes()
    assert user.run("generate", "ci", "--output", checkout, "--check") == 1
    assert "-      contents: write" in user.err
    assert "+      contents: read" in user.err
    assert "without --check" in user.err
    assert path.read_bytes() == before


def test_a_check_where_nothing_was_generated_ends_with_1(user, checkout):
    assert user.run("generate", "ci", "--provider", "gitlab", "--output", checkout, "--check") == 1
    assert ".gitlab-ci.yml is not there" in user.err


def test_a_release_of_some_targets_has_their_jobs_alone_and_nothing_to_pin(user, checkout):
    document = user.json("generate", "ci", "--provider", "github", "-t", "linux-x86_64-avx2", "-o", checkout)
    assert document["files"] == GITHUB[:2]
    assert [entry["targets"] for entry in matrix(checkout).values()] == ["llama.cpp/linux-x86_64-avx2"]


def test_a_workflow_that_has_no_use_any_more_is_removed_and_one_that_somebody_wrote_is_not(user, checkout):
    user.ok("generate", "ci", "-o", checkout)
    some = ("generate", "ci", "--provider", "github", "-t", "linux-x86_64-avx2", "-o", checkout)
    assert user.run(*some, "--check") == 1
    assert GITHUB[2] in user.err
    assert user.json(*some)["removed"] == [GITHUB[2]]
    assert not (checkout / GITHUB[2]).exists()
    (checkout / GITHUB[2]).write_text("name: mine\n")
    assert user.json(*some)["removed"] == []
    user.ok(*some, "--check")


def test_every_job_that_this_machine_could_be_given_can_be_planned(user, checkout):
    user.ok("generate", "ci", "--provider", "github", "--output", checkout)
    for name, entry in matrix(checkout).items():
        if entry["source"] == "build" and entry["runner"] != "ubuntu-24.04":
            continue
        arguments = ("--target", entry["targets"], "--source", entry["source"], "--locked")
        code = user.run("plan", *arguments, "--prove", "none")
        assert code == 0 or (code == 5 and entry["source"] == "build"), (name, user.err)  # its toolkit is not here
        assert "left out" not in user.err, name


def test_another_runner_makes_its_platform_itself(user, checkout):
    user.ok("generate", "ci", "--runner", "windows-x86_64=windows-2025", "--output", checkout)
    runners = {job: entry["runner"] for job, entry in matrix(checkout).items()}
    assert runners["llama.cpp-windows-x86_64-fetched"] == "windows-2025"
    assert runners["llama.cpp-windows-arm64-fetched"] == "ubuntu-24.04"


def test_what_another_runner_does_not_make_is_said_once(user, checkout):
    user.ok("generate", "ci", "--runner", "windows-x86_64=windows-2025", "--output", checkout)
    said = (
        "--runner windows-x86_64=windows-2025 does not make llama.cpp/windows-x86_64-avx2, "
        "llama.cpp/windows-x86_64-cpu: cross built on linux-x86_64"
    )
    assert user.err.count(said) == 1
    assert matrix(checkout)["llama.cpp-windows-x86_64-cpu"]["runner"] == "ubuntu-24.04"
    user.ok("generate", "ci", "--runner", "linux-x86_64=large", "--output", checkout)
    assert "does not make" not in user.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--target", "linux-x86_64-cpus"), 2, "linux-x86_64-cpu"),
        (("--target", "mlx-llm-server/*"), 3, "mlx-lm"),
        (("--runner", "linux=x"), 2, "linux-x86_64"),
        (("--provider", "jenkins"), 2, "github"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(user, checkout, arguments, code, said):
    assert user.run("generate", "ci", "--output", checkout, *arguments) == code
    assert said in user.err
    assert list(checkout.iterdir()) == []


def test_what_cannot_be_made_is_left_out_with_a_warning(user, checkout):
    user.ok("generate", "ci", "--output", checkout)
    assert "mlx-openai-server/macos-arm64-mlx-openai" in user.err


def test_a_mistake_in_recipes_ci_is_one_of_check(user, recipes_dir, tmp_path, monkeypatch):
    shutil.copytree(recipes_dir, tmp_path / "recipes")
    shutil.copytree(recipes_dir.parent / "envs", tmp_path / "envs")
    path = tmp_path / "recipes" / "ci" / "runner_packages.toml"
    path.write_text(path.read_text().replace("[kinds.cpu.linux]", ""))
    monkeypatch.setenv("ENGINE_PIPELINE_RECIPES", str(tmp_path / "recipes"))
    assert user.run("check") == 2
    assert "kinds.cpu.linux: is missing, and llama.cpp/linux-arm64-cpu is built there" in user.err
    shutil.rmtree(path.parent)
    user.ok("check")


def test_the_matrix_of_plan_takes_its_runners_from_the_same_place(user):
    entries = user.json("plan", "-t", "windows-*", "--source", "fetch", "--format", "github-matrix")["include"]
    assert {entry["runner"] for entry in entries} == {"windows-2022", "windows-11-arm"}
