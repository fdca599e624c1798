"""The tiny engine from a publisher over carried disks to a machine with no network, where it runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.system import no_network
from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_client import complete

TARGET = "tiny-engine/linux-x86_64-cpu"


@pytest.fixture(scope="module")
def publisher(tmp_path_factory) -> CommandLine:
    user = make_user(tmp_path_factory.mktemp("publisher"))
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    for release in ("t1", "t2"):
        user.ok("build", "--target", TARGET, "--prove", "load", "--release", release, "--output", release)
    user.ok("publish", "--allow-development", "--to", "repository", "--from", "t1", "--keys", "keys")
    user.ok("mirror", "export", "repository", "--to", "first", "--split", "1M")
    user.ok("publish", "--allow-development", "--to", "repository", "--from", "t2", "--keys", "keys")
    user.ok("mirror", "export", "repository", "--to", "second", "--since", "first/index.json", "--split", "1M")
    return user


@pytest.fixture
def site(tmp_path: Path, publisher: CommandLine) -> CommandLine:
    """Return somebody at the place without a network."""
    home = tmp_path / "site"
    home.mkdir()
    return CommandLine(home, None, {"ENGINE_PIPELINE_TRUSTED_ROOT": str(publisher.home / "keys" / "root.json")})


def test_carried_disks_become_a_mirror_whose_engines_run(publisher, site):
    first = site.json("mirror", "import", "--from", publisher.home / "first", "--to", "mirror")
    assert first["complete"]
    second = site.json("mirror", "import", "--from", publisher.home / "second", "--to", "mirror")
    assert second["timestamp"] == first["timestamp"] + 1
    outcome = site.json("install", TARGET, "--from", "mirror", "--root", "engines")
    assert outcome["version"] == "t2"
    answer = complete(outcome["programs"]["tiny-server"], publisher.home / "model.gguf")
    assert answer["usage"]["completion_tokens"] == 16


def test_the_layer_that_both_releases_share_is_carried_once(publisher):
    index = json.loads((publisher.home / "second/index.json").read_text())
    assert [file for file in index["base"] if file["path"].startswith("blobs/")]


def test_the_drill_has_the_real_engine_answer_with_no_network(publisher, site):
    probe = [sys.executable, "-I", no_network.__file__, "/dev/null"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    shutil.copytree(publisher.home / "repository", site.home / "mirror")
    report = site.json("mirror", "drill", "mirror", "--health", "run", "--health-model", publisher.home / "model.gguf")
    assert [(row["target"], row["version"], row["outcome"]) for row in report["rows"]] == [(TARGET, "t2", "ran")]
    assert report["rows"][0]["devices"] == ["CPU"]
    assert not list(site.cache_dir.glob("drill-*"))


def test_a_drill_of_a_mirror_with_a_flipped_byte_fails(publisher, site):
    shutil.copytree(publisher.home / "repository", site.home / "mirror")
    manifest = json.loads((site.home / "mirror/manifest.json").read_text())
    newest = next(artifact for artifact in manifest["artifacts"] if artifact["version"] == "t2")
    sha256 = newest["layers"][0]["sha256"]
    blob = site.home / "mirror/blobs" / sha256[:2] / sha256
    data = blob.read_bytes()
    blob.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    done = site.run("mirror", "drill", "mirror")
    assert done.returncode in {5, 10}, "5 where no namespace can be made"
    if done.returncode == 10:
        assert sha256 in done.stderr or TARGET in done.stderr
