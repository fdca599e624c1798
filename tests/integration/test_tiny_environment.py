"""A locked environment from channel and index to a running installation; everything real but the size of its engine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.system.trees import FileTreeReader
from tests.simulators import tiny_lm as tiny
from tests.simulators.conda_python import PYTHON
from tests.simulators.engine_client import complete
from tests.simulators.environment_users import EnvironmentWorld, make_tiny_world, only_artifact, publish
from tests.simulators.mlx_environment import CONDA_FORGE
from tests.simulators.web import serving

ZONES = "tzdata-2026a-0.conda"
make_world = make_tiny_world  # what the fixture `world` is


def make_model(tree: Path, folder: Path) -> Path:
    subprocess.run([tree / "bin" / "python", "-m", "tiny_lm.model", folder], check=True, env={})
    return folder


def tokens(outcome: dict, folder: Path) -> int:
    model = make_model(Path(outcome["path"]), folder)
    return complete(outcome["programs"]["tiny_lm.server"], model)["usage"]["completion_tokens"]


def test_what_is_built_was_locked_and_has_served(world, publisher):
    artifact = only_artifact(publisher.home / "2.0")
    assert artifact["version"] == "2.0"
    assert [layer["name"] for layer in artifact["layers"]] == ["base", "wheels", "metal", "installer"]
    assert artifact["proof"]["level"] == "run"
    assert artifact["proof"]["generated_tokens"] >= 16
    assert set(world.channel.asked()) == set(world.records)


def test_the_versions_share_all_that_did_not_change(publisher):
    older, newer = (
        {layer["name"]: layer["tree_sha256"] for layer in only_artifact(publisher.home / version)["layers"]}
        for version in ("1.0", "2.0")
    )
    assert (older["base"], older["metal"]) == (newer["base"], newer["metal"])
    assert older["wheels"] != newer["wheels"]


def test_a_build_elsewhere_makes_the_same_bytes(world, publisher):
    other = world.builder("elsewhere")
    other.ok("build", "--target", world.target, "--prove", "run", "--output", "dist")
    first, second = only_artifact(publisher.home / "2.0"), only_artifact(other.home / "dist")
    assert first["sha256"] == second["sha256"]


@pytest.mark.parametrize("length", [0, 200])
def test_it_serves_from_wherever_it_is_installed(repository, world, customer, tmp_path, length):
    root = customer.home / "My Engines" / "here"
    inside = len(f"/generations/{world.engine}/1/tree")
    root = root if not length else Path(str(root) + "x" * (length - inside - len(str(root))))
    with serving(repository) as (url, _):
        outcome = customer.json("install", world.target, "--from", url, "--root", root)
    tree = Path(outcome["path"])
    assert " " in str(tree)
    assert len(str(tree)) == (length or len(str(tree)))
    assert tokens(outcome, tmp_path / "model") == 16
    done = subprocess.run([tree / "bin/python", "-c", "import sys; print(sys.prefix)"], capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(tree)


def test_packages_of_its_users_home_do_not_go_before_the_locked_ones(repository, world, customer, tmp_path):
    tree = Path(customer.json("install", world.target, "--from", repository, "--root", "engines")["path"])
    poisoned = tmp_path / "home/.local/lib" / f"python{PYTHON}" / "site-packages"
    poisoned.mkdir(parents=True)
    for name in ("tiny_words.py", "only_at_home.py"):
        (poisoned / name).write_text("WORDS = ('poison',)\n")
    question = "import importlib.util as u, tiny_words; print(tiny_words.__file__, u.find_spec('only_at_home'))"
    home = {"HOME": str(tmp_path / "home")}
    for name in ("python", "python3", f"python{PYTHON}"):
        done = subprocess.run([tree / "bin" / name, "-c", question], capture_output=True, check=True, env=home)
        found, alone = done.stdout.decode().rsplit(maxsplit=1)
        assert Path(found).is_relative_to(tree)
        assert alone == "None"


def test_the_life_of_an_installation(repository, world, customer, tmp_path):
    customer.ok("install", world.target, "--from", repository, "--root", "engines", "--version", "1.0")
    update = customer.json("install", world.target, "--from", repository, "--root", "engines")
    assert (update["version"], update["previous_version"]) == ("2.0", "1.0")
    present = {layer["name"]: layer["present"] for layer in update["layers"]}
    assert present["base"] is True, "the Python below is the same and must not travel again"
    assert customer.json("rollback", "--root", "engines")["version"] == "1.0"
    assert customer.json("use", "2.0", "--root", "engines")["version"] == "2.0"
    assert tokens(update, tmp_path / "model") == 16
    assert customer.json("verify", "engines")["ok"] is True
    customer.ok("gc", "--root", "engines")
    assert customer.json("verify", "engines")["ok"] is True
    customer.ok("uninstall", "--root", "engines")
    assert not list((customer.home / "engines").glob(f"generations/{world.engine}/*"))
    customer.ok("--offline", "install", world.target, "--from", repository, "--root", "engines")
    current = [g["version"] for g in customer.json("list", "--root", "engines")["generations"] if g["current"]]
    assert current == ["2.0"]


def test_an_update_by_deltas_has_the_published_layers_and_serves(publisher, repository, world, customer, tmp_path):
    customer.ok("install", world.target, "--from", repository, "--root", "engines", "--version", "1.0")
    update = customer.json("install", world.target, "--from", repository, "--root", "engines")
    layers = {layer["name"]: layer for layer in only_artifact(publisher.home / "2.0")["layers"]}
    came = {layer["name"]: (layer["delta_from"], layer["download_bytes"]) for layer in update["layers"]}
    assert came["wheels"][0] == "1.0"
    assert 0 < came["wheels"][1] < layers["wheels"]["size"] // 2
    for layer in layers.values():
        made = FileTreeReader().scan(customer.home / "engines" / "layers" / layer["tree_sha256"])
        assert made.sha256 == layer["tree_sha256"]
    assert tokens(update, tmp_path / "model") == 16
    assert customer.json("verify", "engines")["ok"] is True


def test_using_it_changes_nothing_that_verify_sees_and_a_change_is_found(repository, world, customer, tmp_path):
    outcome = customer.json("install", world.target, "--from", repository, "--root", "engines")
    assert tokens(outcome, tmp_path / "model") == 16
    assert customer.json("verify", "engines")["ok"] is True
    changed = next(Path(outcome["path"]).rglob("tiny_words.py"))
    changed.unlink()
    changed.write_text("WORDS = ('other',)\n")
    done = customer.run("verify", "engines", "--json")
    assert done.returncode == 7, done.stderr
    assert "tiny_words.py" in done.stdout


def test_wheels_only_takes_the_python_that_is_there(world, tmp_path):
    user = world.builder("wheels-only")
    world.channel.go_down()
    try:
        user.ok("build", "--target", world.target, "--wheels-only", "--prove", "none", "--output", "dist")
    finally:
        world.channel.recover()
    assert [layer["name"] for layer in only_artifact(user.home / "dist")["layers"]] == ["wheels", "metal", "installer"]
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    publish(user, "dist")
    customer = world.customer(tmp_path / "customer", user)
    outcome = customer.json("install", world.target, "--from", user.home / "repository", "--root", "engines")
    assert tokens(outcome, tmp_path / "model") == 16


def test_a_proof_without_a_python_that_fits_is_said_each_time_and_made_once_there_is_one(world, tmp_path):
    user = world.builder("unproven")
    stranger = tmp_path / "bin" / f"python{PYTHON}"
    stranger.parent.mkdir()
    stranger.write_text(f"#!/bin/sh\necho Python {PYTHON}.0\n")
    stranger.chmod(0o755)
    path = user.environment()["PATH"]
    wrong = replace(user, variables={**user.variables, "PATH": f"{stranger.parent}:{path}"})
    build = ("build", "--target", world.target, "--wheels-only", "--output", "dist")
    for again in (False, True):
        done = wrong.run(*build)
        assert done.returncode == 0, done.stderr
        assert "is measured and not run (proof level none)" in done.stderr
        assert (f"reused  prove {world.target}" in done.stderr, f"reused  bundle {world.target}" in done.stderr) == (
            (False, again)  # what the bundle was made of is not looked at again
        )
        assert only_artifact(user.home / "dist")["proof"]["level"] == "none"
    assert all(step["reused"] for step in wrong.json(*build, "--dry-run")["steps"])
    assert not all(step["reused"] for step in user.json(*build, "--dry-run")["steps"])
    user.ok(*build)
    assert only_artifact(user.home / "dist")["proof"]["level"] == "run"
    done = wrong.run(*build)
    assert "measured and not run" not in done.stderr, "it was proven by this machine, and the same files are delivered"
    assert only_artifact(user.home / "dist")["proof"]["level"] == "run"


def test_a_carried_mirror_is_all_that_an_installation_needs(publisher, repository, world, customer, tmp_path):
    publisher.ok("mirror", "export", repository, "--to", tmp_path / "disks")
    customer.ok("mirror", "import", "--from", tmp_path / "disks", "--to", "mirror")
    outcome = customer.json("--offline", "install", world.target, "--from", "mirror", "--root", "engines")
    assert tokens(outcome, tmp_path / "model") == 16


def failing(world: EnvironmentWorld, name: str, *more: str) -> tuple[int, str]:
    """Build as somebody with empty caches; return the exit code and what was said."""
    user = world.builder(name)
    done = user.run(*more, "build", "--target", world.target, "--prove", "none", "--output", "dist")
    assert not list(user.home.glob("dist/**/*.tar.zst")), "nothing is half made"
    return done.returncode, done.stderr


def test_a_channel_that_is_down_is_named_with_every_package(world):
    world.channel.go_down()
    try:
        code, said = failing(world, "down")
    finally:
        world.channel.recover()
    assert code == 6, said
    assert all(filename in said for filename in world.records)
    assert "--wheels-only" in said
    assert "--from-mirror" in said


def test_a_package_that_the_channel_lacks_is_named(world):
    world.channel.lack(ZONES)
    try:
        code, said = failing(world, "lacking")
    finally:
        world.channel.recover()
    assert code == 6, said
    assert ZONES in said
    assert "python-" not in said.replace(world.target, "").split("cannot be had")[-1]


def test_a_package_with_other_bytes_is_refused(world):
    world.channel.spoil(ZONES)
    try:
        code, said = failing(world, "spoiled")
    finally:
        world.channel.recover()
    assert code == 7, said
    assert ZONES in said


def test_offline_every_conda_package_that_is_not_there_is_named(world):
    code, said = failing(world, "offline", "--offline")
    assert code == 12, said
    assert [name for name in world.records if name not in said] == []


def test_offline_every_wheel_that_is_not_there_is_named(world):
    user = world.builder("offline-wheels")
    done = user.run("--offline", "build", "--target", world.target, "--wheels-only", "--prove", "none")
    assert done.returncode == 12, done.stderr
    assert [name for name in tiny.make_wheels("2.0") if name not in done.stderr] == []


def test_a_wheel_that_was_withdrawn_from_the_index_is_named(world):
    page = world.index.resources.pop("/simple/tiny-words/")
    tiny.host_project(world.index, "tiny-words", {})
    try:
        code, said = failing(world, "withdrawn")
    finally:
        world.index.resources["/simple/tiny-words/"] = page
    assert code == 3, said
    assert "tiny_words-1.2-py3-none-any.whl" in said


def test_a_wheel_that_the_index_says_was_yanked_is_built_with_a_warning(world):
    page = world.index.resources["/simple/tiny-words/"]
    document = json.loads(page.data)
    for file in document["files"]:
        file["yanked"] = "wrong words"
    body = json.dumps(document).encode()
    world.index.host("/simple/tiny-words/", body, media_type="application/vnd.pypi.simple.v1+json")
    user = world.builder("yanked")
    try:
        done = user.run("build", "--target", world.target, "--prove", "none", "--output", "dist")
    finally:
        world.index.resources["/simple/tiny-words/"] = page
    assert done.returncode == 0, done.stderr
    assert "tiny_words-1.2-py3-none-any.whl was yanked from the package index: wrong words" in done.stderr
    assert only_artifact(user.home / "dist")["version"] == "2.0"


def test_a_lock_that_its_inputs_have_left_is_said(world):
    user = world.builder("stale")
    asked = user.home / "envs" / world.environment / "requirements.in"
    asked.write_text("tiny-lm==3.0\n")
    done = user.run("lock", "--env", world.environment, "--check")
    assert done.returncode == 1, done.stderr
    assert "requirements.in" in done.stdout + done.stderr


def test_what_is_locked_anew_is_planned_and_exported_with_the_digests_of_its_bytes(world):
    user = world.builder("locker")
    asked = user.home / "envs" / world.environment / "requirements.in"
    asked.write_text("tiny-lm\n")
    user.ok("lock", "--env", world.environment, "--channel", world.channel.url)
    assert f"{world.environment} is fresh" in user.ok("lock", "--env", world.environment, "--check")
    plan = user.json("plan", "--target", world.target)
    assert "locks 2 conda packages and 3 wheels" in json.dumps(plan)
    exported = user.ok(
        "lock", "--env", world.environment, "--platform", "linux-x86_64", "--format", "conda-explicit"
    ).splitlines()
    urls = dict(line.split("#") for line in exported[exported.index("@EXPLICIT") + 1 :])
    assert {url.rsplit("/", 1)[1] for url in urls} == set(world.records)
    for url, digest in urls.items():  # conda takes md5, or sha256 in 64 digits
        with urllib.request.urlopen(url.replace(CONDA_FORGE, world.channel.url)) as answer:
            algorithm = "md5" if len(digest) == 32 else "sha256"
            assert hashlib.new(algorithm, answer.read(), usedforsecurity=False).hexdigest() == digest


def test_a_prefix_that_is_too_long_is_refused_and_nothing_is_left(repository, world, customer):
    root = customer.home / ("x" * 200) / ("y" * 60)
    done = customer.run("install", world.target, "--from", repository, "--root", root)
    assert done.returncode == 2, done.stderr
    assert "at most 255" in done.stderr or "at most 254" in done.stderr
    assert not list(root.glob("generations/*/*"))
