"""The generated release workflow, played on this machine from its first step to an installed engine.

Two tiny engines stand in for llama.cpp; everything else is as a hosted runner has it: bash, the steps' own environment,
outputs, artifacts, and a stand-in of `gh`. What cannot run here is named in LEFT_OUT and is nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.simulators import github_program
from tests.simulators.command_line import PROJECT, CommandLine
from tests.simulators.engine_client import complete
from tests.simulators.later import six_days_ahead
from tests.simulators.tiny_checkout import ENGINES, Checkout, make_checkout
from tests.simulators.workflow_player import Hosted, Played, read_matrix

LEFT_OUT = frozenset({"System packages"})  # apt-get as root, on an image of GitHub's
WORDS = "correct horse"
RELEASE = ".github/workflows/release.yml"
NIGHTLY = ".github/workflows/nightly.yml"


@dataclass(frozen=True)
class Fork:
    """Somebody's fork: a checkout, and what GitHub has of it."""

    checkout: Checkout
    hosted: Hosted
    owner: CommandLine

    @property
    def releases(self) -> Path:
        return self.hosted.folder / "releases"

    def play(self, workflow: str, job: str, matrix: dict | None = None) -> list[Played]:
        return self.hosted.play(self.checkout.folder / workflow, job, matrix)

    def build(self) -> list[list[Played]]:
        entries = read_matrix(self.checkout.folder / RELEASE, "build")
        return [self.play(RELEASE, "build", entry) for entry in entries if entry["runner"] == "ubuntu-24.04"]


def make_fork(folder: Path) -> Fork:
    checkout = make_checkout(folder)
    owner = CommandLine(folder / "owner", None, {"PYTHONPATH": str(checkout.folder)})
    owner.home.mkdir()
    owner.ok("generate", "ci", "--output", checkout.folder)
    (folder / "passphrase").write_text(WORDS)
    owner.ok("keys", "init", "--keys", "keys", "--passphrase-file", folder / "passphrase")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as keys:
        keys.add(owner.home / "keys", arcname=".")
    programs = github_program.install(folder / "programs")
    hosted = Hosted(
        folder=folder / "hosted",
        checkout=checkout.folder,
        programs=programs,
        github={"ref_name": "main", "event_name": "workflow_dispatch", "repository": "someone/engines",
                "run_id": "7", "sha": "c" * 40, "token": "t"},
        inputs={"release": "2026.11.0"},
        secrets={
            "ENGINE_PIPELINE_KEYS": base64.b64encode(packed.getvalue()).decode(),
            "ENGINE_PIPELINE_PASSPHRASE": WORDS,
        },
        variables={
            "ENGINE_PIPELINE_ALLOW_DEVELOPMENT": "1",
            "ENGINE_PIPELINE_TOML": f'mirrors = ["{checkout.mirror.as_uri()}"]\nrelease = "t1"\n',
        },
        environment={
            "GH_RELEASES": str(folder / "hosted" / "releases"),
            "PIP_NO_INDEX": "1",  # what is locked is installed already, or the step fails
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
        },
        left_out=LEFT_OUT,
    )  # fmt: skip
    (hosted.folder / "releases").mkdir(parents=True)
    return Fork(checkout, hosted, owner)


def outcomes(played: list[Played]) -> dict[str, str]:
    return {step.name: step.outcome for step in played}


def what_was_said(played: list[Played]) -> str:
    return "\n".join(f"{step.outcome} {step.name}\n{step.said}" for step in played)


@pytest.fixture(scope="module")
def fork(tmp_path_factory) -> Fork:
    """Return a fork whose two linux jobs have run and whose first release is published."""
    made = make_fork(tmp_path_factory.mktemp("fork"))
    jobs = made.build()
    assert len(jobs) == len(ENGINES)
    for played in jobs:
        assert set(outcomes(played).values()) <= {"success", "left out"}, what_was_said(played)
        assert {step.name for step in played if step.outcome == "left out"} == LEFT_OUT
    published = made.play(RELEASE, "publish")
    assert [step.name for step in published if step.outcome == "failure"] == [], what_was_said(published)
    assert [step.name for step in published if step.outcome == "skipped"] == [
        "Compare with what is published",
        "A draft that was not published is removed",
    ]
    return made


def unpacked_release(fork: Fork, tag: str, into: Path) -> Path:
    """Return the repository of a release, put together as its notes say."""
    into.mkdir()
    for part in ("repository", "blobs"):
        for asset in sorted((fork.releases / tag).glob(f"{part}.tar.*")):
            with tarfile.open(asset) as packed:
                packed.extractall(into, filter="data")
    return into / "repository"


def test_the_release_holds_the_bundles_of_every_job_and_is_no_draft(fork):
    folder = fork.releases / "2026.11.0"
    assert json.loads((folder / "state.json").read_text())["draft"] is False
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["release"] == "2026.11.0"
    assert [artifact["engine"] for artifact in manifest["artifacts"]] == list(ENGINES)
    for artifact in manifest["artifacts"]:
        assert (folder / Path(artifact["url"]).name).stat().st_size == artifact["size"]
        assert artifact["proof"]["generated_tokens"] == 16
    assert sorted(fork.hosted.attested[:2]) == [f"{name}-t1-linux-x86_64-cpu.tar.zst" for name in ENGINES]


def test_an_engine_of_the_release_is_installed_with_the_trusted_root_and_answers(fork, tmp_path):
    repository = unpacked_release(fork, "2026.11.0", tmp_path / "repository")
    root = fork.owner.home / "keys" / "root.json"
    customer = CommandLine(tmp_path, None, {"ENGINE_PIPELINE_TRUSTED_ROOT": str(root)})
    assert customer.json("verify", repository, "--trusted-root", root)["ok"] is True
    outcome = customer.json("install", "tiny-engine/linux-x86_64-cpu", "--from", repository, "--root", "engines")
    (tmp_path / "model.gguf").write_bytes(b"GGUF and so on")
    answer = complete(outcome["programs"]["tiny-server"], tmp_path / "model.gguf")
    assert answer["usage"]["completion_tokens"] == 16


def sums_are_right(release: Path) -> bool:
    """Tell whether SHA256SUMS lists every file of a release, and each as it is."""
    listed = dict(reversed(line.split("  ")) for line in (release / "SHA256SUMS").read_text().splitlines())
    files = [path for path in release.iterdir() if path.name not in {"SHA256SUMS", "state.json"}]
    return listed == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def content(release: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in release.iterdir()}


@pytest.fixture
def later(fork, tmp_path) -> Iterator[None]:
    """Let the programs of a step see a later clock."""
    fork.hosted.environment["PYTHONPATH"] = str(six_days_ahead(tmp_path / "ahead"))
    yield
    del fork.hosted.environment["PYTHONPATH"]


def test_a_release_lists_the_digest_of_every_file(fork):
    assert sums_are_right(fork.releases / "2026.11.0")


def test_where_nothing_ends_soon_nothing_of_the_release_is_touched(fork):
    before = content(fork.releases / "2026.11.0")
    played = outcomes(fork.play(NIGHTLY, "refresh"))
    assert played.pop("Sign") == "success"
    assert {name for name, outcome in played.items() if outcome == "skipped"} == {
        "Pack", "Upload", "What was there is put back"
    }  # fmt: skip
    assert content(fork.releases / "2026.11.0") == before


@pytest.mark.usefixtures("later")
def test_an_upload_that_dies_leaves_the_release_as_it_was(fork, tmp_path):
    before = content(fork.releases / "2026.11.0")
    (tmp_path / "interrupt").touch()
    fork.hosted.environment["GH_INTERRUPT"] = str(tmp_path / "interrupt")
    try:
        played = fork.play(NIGHTLY, "refresh")
    finally:
        del fork.hosted.environment["GH_INTERRUPT"]
    assert outcomes(played)["Upload"] == "failure", what_was_said(played)
    assert outcomes(played)["What was there is put back"] == "success", what_was_said(played)
    assert content(fork.releases / "2026.11.0") == before


@pytest.mark.usefixtures("later")
def test_a_part_that_is_no_more_is_removed_and_what_is_signed_again_is_listed(fork):
    release = fork.releases / "2026.11.0"
    before = content(release)
    (release / "repository.tar.001").write_bytes(b"")  # of a repository that was larger
    played = fork.play(NIGHTLY, "refresh")
    assert set(outcomes(played).values()) == {"success", "skipped"}, what_was_said(played)
    assert outcomes(played)["Upload"] == "success"
    after = content(release)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {"SHA256SUMS", "repository.tar.000"}
    assert sums_are_right(release)


def test_a_nightly_run_reports_sizes_of_what_was_signed_again(fork, tmp_path):
    fork.hosted.variables["ENGINE_PIPELINE_TRUSTED_ROOT"] = str(fork.owner.home / "keys" / "root.json")
    played = fork.play(NIGHTLY, "footprint")
    assert set(outcomes(played).values()) == {"success"}, what_was_said(played)
    said = next(step.said for step in played if step.name == "Footprint")
    assert "tiny-engine/linux-x86_64-cpu" in said
    assert "figures compared, 0 over" in said
    assert {path.name for path in (fork.hosted.artifacts / "footprint").iterdir()} == {
        "report.html",
        "report.json",
        "report.md",
    }
    repository = unpacked_release(fork, "2026.11.0", tmp_path / "repository")
    assert fork.owner.json("verify", repository)["ok"] is True


def test_a_later_release_goes_on_with_the_repository_that_is_published(fork, tmp_path):
    fork.hosted.inputs["release"] = "2026.12.0"
    try:
        played = fork.play(RELEASE, "publish")
        assert "failure" not in outcomes(played).values(), what_was_said(played)
    finally:
        fork.hosted.inputs["release"] = "2026.11.0"
    assert outcomes(played)["Compare with what is published"] == "success"
    before = unpacked_release(fork, "2026.11.0", tmp_path / "before")
    after = unpacked_release(fork, "2026.12.0", tmp_path / "after")
    roots = [json.loads((place / "metadata" / "1.root.json").read_text()) for place in (before, after)]
    assert roots[0] == roots[1]


def test_a_draft_that_comes_back_changed_is_not_published_and_is_removed(tmp_path, fork):
    fork.hosted.inputs["release"] = "2027.1.0"
    fork.hosted.environment["GH_DAMAGE"] = "tiny-engine-*.tar.zst"
    try:
        played = outcomes(fork.play(RELEASE, "publish"))
    finally:
        fork.hosted.inputs["release"] = "2026.11.0"
        del fork.hosted.environment["GH_DAMAGE"]
    assert played["Verify the draft"] == "failure"
    assert played["Publish"] == "skipped"
    assert played["A draft that was not published is removed"] == "success"
    assert not (fork.releases / "2027.1.0").exists()


def test_a_release_of_a_name_that_is_taken_fails_and_leaves_the_one_that_is_there(fork):
    before = sorted(path.name for path in (fork.releases / "2026.11.0").iterdir())
    played = outcomes(fork.play(RELEASE, "publish"))
    assert played["Draft"] == "failure"
    assert played["A draft that was not published is removed"] == "skipped"
    assert sorted(path.name for path in (fork.releases / "2026.11.0").iterdir()) == before


def test_keys_do_not_outlive_the_step_that_signs(fork):
    assert not list(fork.hosted.folder.glob("job-*/temp/keys"))


def test_what_was_played_is_what_the_project_itself_has(fork):
    """The jobs of the project's own workflows differ in their targets alone, so their steps were played here."""
    for name in (RELEASE, NIGHTLY):
        own = yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))["jobs"]
        played = yaml.safe_load((fork.checkout.folder / name).read_text(encoding="utf-8"))["jobs"]
        on_a_mac = {job for job, said in own.items() if str(said.get("runs-on", "")).startswith("macos")}
        for_a_mac = on_a_mac | {str(own[job]["needs"]) for job in on_a_mac}  # docs/ci.md: only a Mac can play these
        assert set(own) - set(played) <= for_a_mac
        assert set(played) <= set(own)
        for job in played:
            extra = [step for step in own[job]["steps"] if step not in played[job]["steps"]]
            assert {step["name"] for step in extra} <= {"Vendor's repository of packages", "What a whole release has"}


def test_a_name_that_is_no_name_of_a_release_is_refused_before_anything_is_built(fork):
    fork.hosted.inputs["release"] = "--draft=false; echo $KEYS"
    try:
        entry = read_matrix(fork.checkout.folder / RELEASE, "build")[0]
        played = fork.play(RELEASE, "build", entry)
    finally:
        fork.hosted.inputs["release"] = "2026.11.0"
    refused = next(step for step in played if step.outcome == "failure")
    assert refused.name == "Build and prove"
    assert re.search(r"is no name\s+of a release", refused.said)


def test_the_workflows_of_a_fork_are_its_own_and_checked(fork):
    fork.owner.ok("generate", "ci", "--output", fork.checkout.folder, "--check")
    done = subprocess.run(
        ["git", "diff", "--no-index", "--stat", PROJECT / RELEASE, fork.checkout.folder / RELEASE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "release.yml" in done.stdout, "other targets are other jobs"
