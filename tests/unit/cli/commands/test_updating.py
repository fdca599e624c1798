"""Updates by deltas as users see them: publish, install, mirror."""

from __future__ import annotations

import json

import pytest

from tests.simulators.changing_layers import layers


@pytest.fixture
def world(world):
    """A world with version 1 installed by a user, and 2 built since."""
    for number in (1, 2):
        world.build(str(number), layers(number), dist=f"dist-{number}")
    return world


@pytest.fixture
def publish(user, world):
    def publish(number: int, *options: object) -> str:
        names = ("--from", world.folder / f"dist-{number}", "--to", world.repository, "--keys", world.keys_dir)
        return user.ok("publish", "--allow-development", *names, *options)

    return publish


@pytest.fixture
def install(user, world, root):
    def install(*options: object) -> str:
        trusted = ("--trusted-root", world.keys_dir / "root.json")
        return user.ok("install", "--from", world.repository, "--root", root, *trusted, *options)

    return install


def test_publish_makes_deltas_from_the_version_before_and_names_them(publish):
    publish(1)
    assert "would try  core of llama.cpp/linux-x86_64-cpu 2 from 1" in publish(2, "--dry-run")
    assert "delta      core of llama.cpp/linux-x86_64-cpu 2 from 1" in publish(2)


def test_publish_makes_none_with_0(publish):
    publish(1)
    assert json.loads(publish(2, "--deltas", 0, "--json"))["deltas"] == []


def test_an_update_says_what_is_made_of_what(publish, install):
    publish(1)
    install()
    publish(2)
    assert "  delta of core from 1: " in install("--dry-run")
    whole = json.loads(install("--dry-run", "--no-deltas", "--json"))
    small = json.loads(install("--json"))
    assert [layer["delta_from"] for layer in small["layers"]] == ["1", "1", None]
    assert [layer["delta_from"] for layer in whole["layers"]] == [None, None, None]
    assert small["downloaded_bytes"] < whole["downloaded_bytes"] // 20


def test_a_mirror_is_asked_for_no_deltas_and_remembers_that(user, world, publish, tmp_path):
    publish(1)
    publish(2)
    mirror, trusted = tmp_path / "mirror", ("--trusted-root", world.keys_dir / "root.json")
    made = user.json("mirror", "create", "--from", world.repository, "--to", mirror, *trusted, "--without-deltas")
    assert not [change for change in made["changes"] if change["kind"] == "delta"]
    assert user.json("mirror", "sync", mirror)["changed"] is False
    more = user.json("mirror", "sync", mirror, "--with-deltas")
    assert [change["kind"] for change in more["changes"] if change["path"].startswith("blobs/")] == ["delta", "delta"]
    user.ok("mirror", "verify", mirror)
