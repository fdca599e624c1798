"""The tiny engine from `dist/` to a running installation, through a signed repository."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_client import complete
from tests.simulators.web import serving

if TYPE_CHECKING:
    from pathlib import Path

TARGET = "tiny-engine/linux-x86_64-cpu"


@pytest.fixture(scope="module")
def publisher(tmp_path_factory) -> CommandLine:
    user = make_user(tmp_path_factory.mktemp("publisher"))
    for release in ("t1", "t2"):
        user.ok("build", "--target", TARGET, "--prove", "load", "--release", release, "--output", release)
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    user.ok("publish", "--allow-development", "--to", "repository", "--from", "t1", "--keys", "keys")
    return user


@pytest.fixture
def repository(publisher: CommandLine) -> Path:
    return publisher.home / "repository"


@pytest.fixture
def customer(tmp_path: Path, publisher: CommandLine) -> CommandLine:
    home = tmp_path / "customer"
    home.mkdir()
    return CommandLine(home, None, {"ENGINE_PIPELINE_TRUSTED_ROOT": str(publisher.home / "keys" / "root.json")})


def test_keys_say_plainly_that_they_are_development_keys(tmp_path):
    user = CommandLine(tmp_path)
    said = user.ok("keys", "init", "--no-passphrase")
    assert "development keys" in said
    assert "NOT encrypted" in said


def test_an_engine_installed_from_a_folder_answers(publisher, repository, customer):
    outcome = customer.json("install", TARGET, "--from", repository, "--root", "engines", "--version", "t1")
    answer = complete(outcome["programs"]["tiny-server"], publisher.home / "model.gguf")
    assert answer["usage"]["completion_tokens"] == 16
    assert outcome["development"] is True


def test_a_second_install_downloads_nothing(repository, customer):
    with serving(repository) as (url, asked):
        customer.ok("install", TARGET, "--from", url, "--root", "engines", "--version", "t1")
        assert any("/blobs/" in path for path in asked)
        asked.clear()
        again = customer.json("install", TARGET, "--from", url, "--root", "engines", "--version", "t1")
        assert not [path for path in asked if "/blobs/" in path and "manifest" not in path][1:]
    assert again["changed"] is False


def test_an_update_downloads_only_the_layer_that_changed_and_can_be_undone(publisher, repository, customer):
    customer.ok("install", TARGET, "--from", repository, "--root", "engines", "--version", "t1")
    publisher.ok("publish", "--allow-development", "--to", "repository", "--from", "t2", "--keys", "keys")
    update = customer.json("install", TARGET, "--from", repository, "--root", "engines")
    assert (update["version"], update["previous_version"]) == ("t2", "t1")
    present = {layer["name"]: layer["present"] for layer in update["layers"]}
    assert present["cpu"] is True, "the backend is the same in both releases and must not travel again"
    assert customer.json("rollback", "--root", "engines")["version"] == "t1"
    current = [g for g in customer.json("list", "--root", "engines")["generations"] if g["current"]]
    assert [g["version"] for g in current] == ["t1"]


def test_verify_names_what_was_changed_removed_and_added(repository, customer):
    outcome = customer.json("install", TARGET, "--from", repository, "--root", "engines", "--version", "t1")
    assert customer.json("verify", "engines")["ok"] is True
    tree = next((customer.home / "engines" / "layers").glob("*/bin/tiny-server")).parent
    (tree / "libtiny.so.1.2.3").write_bytes(b"changed")
    (tree / "tiny-server").unlink()
    (tree / "unexpected").write_bytes(b"new")
    done = customer.run("verify", "engines", "--json")
    assert done.returncode == 7
    states = {
        finding["path"].rsplit("/", 1)[-1]: finding["state"]
        for finding in json.loads(
            done.stdout.splitlines()[0]
            if done.stdout.startswith('{"') and "\n" not in done.stdout.strip()
            else done.stdout
        )["findings"]
    }
    assert states["libtiny.so.1.2.3"] == "changed"
    assert states["tiny-server"] == "missing"
    assert states["unexpected"] == "unexpected"
    assert outcome["version"] == "t1"


@pytest.mark.parametrize("kind", ["bundle", "dist", "repository"])
def test_verify_reads_bundles_dist_folders_and_repositories(publisher, repository, kind):
    path = {
        "bundle": next((publisher.home / "t1").rglob("tiny-engine-t1-*.tar.zst")),
        "dist": publisher.home / "t1",
        "repository": repository,
    }[kind]
    assert publisher.json("verify", path)["ok"] is True


def test_a_foreign_root_is_not_trusted(repository, customer, tmp_path):
    other = CommandLine(tmp_path)
    other.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    done = customer.run(
        "install", TARGET, "--from", repository, "--root", "engines", "--trusted-root", tmp_path / "keys" / "root.json"
    )
    assert done.returncode == 8


def test_without_any_trusted_root_nothing_is_installed(repository, tmp_path):
    stranger = CommandLine(tmp_path)
    done = stranger.run("install", TARGET, "--from", repository, "--root", "engines")
    assert done.returncode == 8
    assert "--trusted-root" in done.stderr
