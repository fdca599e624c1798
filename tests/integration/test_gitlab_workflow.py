"""The generated .gitlab-ci.yml, played from the builds of two tiny engines to a release, over a loopback registry."""

from __future__ import annotations

import base64
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.simulators.command_line import CommandLine
from tests.simulators.gitlab_player import Project, Registry
from tests.simulators.later import six_days_ahead
from tests.simulators.tiny_checkout import ENGINES, make_checkout

# apt-get as root, and an environment of its own: this one has what is locked already.
WITHOUT = ('if [ -n "$APT" ]', 'if [ "$(uname -s)" = Linux ]', '"$(ci/environment interpreter)" -m venv', ". .venv/")
REPOSITORY = "/projects/7/packages/generic/repository/current/repository.tar"
DIST = "/projects/7/packages/generic/release/v2026.11.0/dist.tar"


@dataclass(frozen=True)
class Fork:
    """A project with keys, and the registry that it publishes to."""

    project: Project
    registry: Registry
    owner: CommandLine

    def play(self, name: str) -> str:
        done = self.project.play(name)
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def fork(tmp_path_factory) -> Iterator[Fork]:
    folder = tmp_path_factory.mktemp("gitlab")
    checkout = make_checkout(folder)
    owner = CommandLine(folder / "owner", None, {"PYTHONPATH": str(checkout.folder)})
    owner.home.mkdir()
    owner.ok("generate", "ci", "--provider", "gitlab", "--output", checkout.folder)
    owner.ok("keys", "init", "--keys", "keys", "--no-passphrase")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as keys:
        keys.add(owner.home / "keys", arcname=".")
    (folder / "keys").write_bytes(base64.encodebytes(packed.getvalue()))
    (folder / "passphrase").write_text("none\n")
    (folder / "toml").write_text(f'mirrors = ["{checkout.mirror.as_uri()}"]\nallow_development = true\n')
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)
    with Registry() as registry:
        variables = {
            "CI_API_V4_URL": registry.url,
            "CI_COMMIT_TAG": "v2026.11.0",
            "CI_PROJECT_ID": "7",
            "ENGINE_PIPELINE_ALLOW_DEVELOPMENT": "1",
            "ENGINE_PIPELINE_KEYS": str(folder / "keys"),
            "ENGINE_PIPELINE_PASSPHRASE": str(folder / "passphrase"),
            "ENGINE_PIPELINE_TOML": str(folder / "toml"),
            "PIP_NO_INDEX": "1",
            "ENGINE_PIPELINE_TRUSTED_ROOT": str(owner.home / "keys" / "root.json"),
            **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")},
        }
        found = Fork(Project(folder / "gitlab", checkout.folder, programs, variables, WITHOUT), registry, owner)
        found.project.folder.mkdir()
        for engine in ENGINES:
            found.play(f"{engine}-linux-x86_64-cpu")
        assert found.project.left_out == set(WITHOUT)
        yield found


def unpacked(data: bytes, into: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        packed.extractall(into, filter="data")
    return into


def test_a_package_that_comes_back_changed_makes_no_release_and_no_repository(fork):
    fork.registry.damage = "/release/"
    try:
        assert fork.project.play("publish").returncode != 0
    finally:
        fork.registry.damage = ""
    assert fork.registry.releases == []
    assert REPOSITORY not in fork.registry.files


def test_a_tag_becomes_a_release_with_a_repository_and_goes_on_with_it(fork, tmp_path):
    fork.play("publish")
    (release,) = fork.registry.releases
    assert (release["tag_name"], release["name"]) == ("v2026.11.0", "v2026.11.0")
    assert "manifest.json" in release["description"]
    repository = unpacked(fork.registry.files[REPOSITORY], tmp_path / "first") / "repository"
    root = fork.owner.home / "keys" / "root.json"
    assert fork.owner.json("verify", repository, "--trusted-root", root)["ok"] is True
    dist = unpacked(fork.registry.files[DIST], tmp_path / "dist") / "dist"
    assert len(list(dist.glob("*/t2/*.tar.zst"))) == len(ENGINES)

    said = fork.play("refresh")
    assert "each layer once" in said  # of the footprint report
    assert fork.registry.puts.count(REPOSITORY) == 1, "nothing ends soon"
    fork.project.variables["PYTHONPATH"] = str(six_days_ahead(tmp_path / "ahead"))
    said = fork.play("refresh")
    del fork.project.variables["PYTHONPATH"]
    assert fork.registry.puts.count(REPOSITORY) == 2, said
    again = unpacked(fork.registry.files[REPOSITORY], tmp_path / "second") / "repository"
    assert fork.owner.json("verify", again, "--trusted-root", root)["ok"] is True
    assert (again / "metadata" / "1.root.json").read_bytes() == (repository / "metadata" / "1.root.json").read_bytes()
