"""The generated workflow that pins what upstream released, played from the drift to the pull request."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.app.settings import default_cache_dir
from tests.integration.conftest import make_user
from tests.simulators import github_program
from tests.simulators.command_line import CommandLine
from tests.simulators.release_server import ReleaseServer
from tests.simulators.tiny_checkout import make_checkout
from tests.simulators.upstream_archives import pack
from tests.simulators.workflow_player import Hosted, Played, read_matrix

WORKFLOW = ".github/workflows/upstream.yml"
REPOSITORY = "example/tiny-engine"
PREFERENCES = f'schema_version = 1\nengine = "tiny-engine"\nrepository = "{REPOSITORY}"\n'
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Fork:
    """A fork that fetches the tiny engine as its upstream compiled it, and pins its release b1."""

    upstream: ReleaseServer
    archives: dict[str, bytes]
    checkout: Path
    hosted: Hosted

    def release(self, tag: str, *, holding: str = "") -> None:
        self.upstream.add(tag, published_at=f"2026-09-1{tag[1:]}T01:00:00Z")
        self.upstream.host(tag, f"llama-{tag}-bin-ubuntu-x64.tar.gz", self.archives[holding or tag])

    def play(self, job: str, matrix: dict | None = None) -> list[Played]:
        return self.hosted.play(self.checkout / WORKFLOW, job, matrix)

    @property
    def pull_requests(self) -> list[dict]:
        path = Path(self.hosted.environment["GH_PULL_REQUESTS"])
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def git(folder: Path, *arguments: str | Path) -> str:
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> dict[str, bytes]:
    """Return what upstream would have released as b1 and b2: the engine compiled, packed as it packs."""
    builder = make_user(tmp_path_factory.mktemp("builder") / "user")
    found = {}
    for release in ("t1", "t2"):
        options = ("--prove", "none", "--release", release, "--output", release)
        builder.ok("build", "--target", "linux-x86_64-cpu", *options)
        bundle = next((builder.home / release).rglob("tiny-engine-t*.tar.zst"))
        builder.ok("unpack", bundle, "--to", builder.home / f"{release}-unpacked")
        folder = builder.home / f"{release}-unpacked" / "bin"
        (folder / "LICENSE").write_text("MIT License")
        tag = f"b{release[1:]}"
        found[tag] = pack(folder, builder.home / f"{tag}.tar.gz", root=f"llama-{tag}").read_bytes()
    return found


@pytest.fixture
def fork(tmp_path, archives) -> Iterator[Fork]:
    made = make_checkout(tmp_path)
    recipes = made.folder / "recipes"
    (recipes / "engines" / "small-engine.toml").unlink()
    cpu = recipes / "accelerators" / "cpu.toml"
    head, _, _ = cpu.read_text().partition("[engines.tiny-engine]")
    cpu.write_text(f'{head}[archives.tiny-engine]\nbackend = ["libtiny-cpu.so"]\n')
    (recipes / "upstream" / "tiny-engine").mkdir(parents=True)
    (recipes / "upstream" / "tiny-engine" / "preferences.toml").write_text(PREFERENCES)
    with ReleaseServer(REPOSITORY) as upstream:
        hosted = Hosted(
            folder=tmp_path / "hosted",
            checkout=made.folder,
            programs=github_program.install(tmp_path / "programs"),
            github={"ref_name": "main", "repository": "someone/engines", "run_id": "7", "sha": "c" * 40,
                    "server_url": "https://github.example", "token": "t"},
            variables={"ENGINE_PIPELINE_TOML": f'mirrors = ["{made.mirror.as_uri()}"]\n'},  # has the model
            environment={
                "ENGINE_PIPELINE_CACHE_DIR": str(default_cache_dir()),  # where ci/environment keeps what it made
                "ENGINE_PIPELINE_GITHUB_API": upstream.api,
                "GH_PULL_REQUESTS": str(tmp_path / "pull-requests"),
                "PIP_NO_INDEX": "1",
                **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
            },
        )  # fmt: skip
        found = Fork(upstream, archives, made.folder, hosted)
        found.release("b1")
        owner = CommandLine(tmp_path, recipes, {"ENGINE_PIPELINE_GITHUB_API": upstream.api})
        owner.ok("upstream", "pin", "--engine", "tiny-engine", "--tag", "b1")
        owner.ok("generate", "ci", "--output", made.folder)
        git(tmp_path, "init", "--bare", "--initial-branch", "main", "origin.git")
        git(made.folder, "init", "--initial-branch", "main")
        git(made.folder, "add", "--all")
        git(made.folder, "commit", "--message", "all")
        git(made.folder, "remote", "add", "origin", tmp_path / "origin.git")
        yield found


def outcomes(played: list[Played]) -> dict[str, str]:
    return {step.name: step.outcome for step in played}


def what_was_said(played: list[Played]) -> str:
    return "\n".join(f"{step.outcome} {step.name}\n{step.said}" for step in played)


def test_where_nothing_is_new_nothing_is_proposed(fork):
    played = fork.play("pin")
    assert set(outcomes(played).values()) == {"success", "skipped"}, what_was_said(played)
    assert outcomes(played)["Upload"] == "skipped"
    assert "nothing drifted" in what_was_said(played)


def test_a_new_release_is_pinned_proven_and_proposed_once(fork, tmp_path):
    fork.release("b2")
    played = fork.play("pin")
    assert set(outcomes(played).values()) == {"success"}, what_was_said(played)
    (entry,) = read_matrix(fork.checkout / WORKFLOW, "prove")
    assert entry["targets"] == "tiny-engine/linux-x86_64-cpu"
    played = fork.play("prove", entry)
    assert set(outcomes(played).values()) == {"success"}, what_was_said(played)
    assert "b2" in played[-1].said
    for _ in range(2):
        played = fork.play("propose")
        assert set(outcomes(played).values()) == {"success"}, what_was_said(played)
    (request,) = fork.pull_requests
    assert request["base"] == "main"
    assert "https://github.example/someone/engines/actions/runs/7" in request["body"]
    changed = git(tmp_path / "origin.git", "show", "--stat", "--name-only", "--format=", request["head"])
    assert changed == "recipes/upstream/tiny-engine/b2.json"


def test_a_release_that_is_not_what_its_name_says_fails_its_proof(fork):
    fork.release("b2", holding="b1")
    fork.play("pin")
    (entry,) = read_matrix(fork.checkout / WORKFLOW, "prove")
    played = fork.play("prove", entry)
    assert outcomes(played)["Fetch and prove"] == "failure", what_was_said(played)
    assert "build 1" in played[-1].said


def test_a_file_that_changed_under_its_name_ends_the_run_before_anything_is_pinned(fork):
    fork.upstream.host("b1", "llama-b1-bin-ubuntu-x64.tar.gz", b"something else")
    played = fork.play("pin")
    assert outcomes(played)["Pin"] == "failure", what_was_said(played)
    assert outcomes(played)["Upload"] == "skipped"
    assert not fork.hosted.artifacts.exists()
