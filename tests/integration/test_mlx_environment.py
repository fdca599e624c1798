"""The MLX environment, all of it real: made of a channel on loopback and of real wheels, proven, published, served.

Slow: 60 MB of wheels are downloaded once, and the real mlx_lm.server answers after each installation.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.simulators import mlx_environment as made
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_client import complete
from tests.simulators.mlx_world import TARGET, MlxWorld, make_model, make_world, only_artifact
from tests.simulators.web import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not made.can_run(), reason=f"the wheels of mlx need Linux on x86_64 with glibc {made.FLOOR}"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> MlxWorld:
    found = make_world(tmp_path_factory.mktemp("mlx"))
    with found.channel:
        yield found


@pytest.fixture(scope="module")
def publisher(world: MlxWorld) -> CommandLine:
    user = world.builder(mlx_lm=made.OLDER)
    user.ok("build", "--target", TARGET, "--prove", "run", "--output", "older")
    world.lock(user.home, mlx_lm=made.NEWER)
    user.ok("build", "--target", TARGET, "--prove", "run", "--output", "newer")
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    for dist in ("older", "newer"):
        user.ok("publish", "--allow-development", "--to", "repository", "--from", dist, "--keys", "keys")
    return user


@pytest.fixture(scope="module")
def repository(publisher: CommandLine) -> Path:
    return publisher.home / "repository"


@pytest.fixture
def customer(tmp_path: Path, publisher: CommandLine) -> CommandLine:
    home = tmp_path / "customer"
    home.mkdir()
    return CommandLine(home, None, {"ENGINE_PIPELINE_TRUSTED_ROOT": str(publisher.home / "keys" / "root.json")})


def version_of(requirement: str) -> str:
    return requirement.partition("==")[2]


def test_what_is_built_was_locked_and_has_served(publisher, world):
    artifact = only_artifact(publisher.home / "newer")
    assert artifact["version"] == version_of(made.NEWER)
    assert [layer["name"] for layer in artifact["layers"]] == ["base", "wheels", "installer"]
    assert artifact["proof"]["level"] == "run"
    assert artifact["proof"]["generated_tokens"] >= 16
    assert artifact["proof"]["ready_seconds"] > 0
    assert artifact["proof"]["resident_bytes"] > 50_000_000
    assert set(world.channel.asked()) == set(world.records)


def test_both_versions_share_the_python_below_them(publisher):
    bases = {
        next(
            layer["tree_sha256"] for layer in only_artifact(publisher.home / dist)["layers"] if layer["name"] == "base"
        )
        for dist in ("older", "newer")
    }
    assert len(bases) == 1


def test_a_second_build_makes_the_same_bytes(publisher, world):
    other = world.builder("other")
    other.ok("build", "--target", TARGET, "--prove", "static", "--output", "dist")
    first, second = only_artifact(publisher.home / "newer"), only_artifact(other.home / "dist")
    assert first["bundle"]["sha256"] == second["bundle"]["sha256"]


@pytest.mark.parametrize("where", ["a space", "long"])
def test_it_serves_from_wherever_it_is_installed(repository, customer, tmp_path, where):
    root = customer.home / "My Engines" / "here"
    if where == "long":
        inside = len(str(Path("generations") / "0000000000000000" / "tree")) + 1
        root = Path(str(root) + "x" * (200 - inside - len(str(root))))
    with serving(repository) as (url, _):
        outcome = customer.json("install", TARGET, "--from", url, "--root", root)
    tree = Path(outcome["path"])
    assert " " in str(tree)
    assert len(str(tree)) >= (180 if where == "long" else 0)
    model = make_model(tree, tmp_path / "model")
    answer = complete(outcome["programs"]["mlx_lm.server"], model)
    assert answer["usage"]["completion_tokens"] == 16
    said = subprocess.run([tree / "bin/python", "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True)
    assert said.stdout.decode().strip() == str(tree)


def test_a_life_of_an_installation(repository, customer):
    root = customer.home / "engines"
    older, newer = version_of(made.OLDER), version_of(made.NEWER)
    customer.ok("install", TARGET, "--from", repository, "--root", root, "--version", older)
    update = customer.json("install", TARGET, "--from", repository, "--root", root)
    assert (update["version"], update["previous_version"]) == (newer, older)
    present = {layer["name"]: layer["present"] for layer in update["layers"]}
    assert present["base"] is True, "the Python below is the same and must not travel again"
    assert customer.json("rollback", "--root", root)["version"] == older
    assert customer.json("use", newer, "--root", root)["version"] == newer
    assert customer.json("verify", root)["ok"] is True
    customer.ok("gc", "--root", root)
    assert customer.json("verify", root)["ok"] is True
    customer.ok("uninstall", "mlx-lm", "--root", root)
    assert not list(root.glob("generations/*"))
    customer.ok("--offline", "install", TARGET, "--from", repository, "--root", root)
    current = [g["version"] for g in customer.json("list", "--root", root)["generations"] if g["current"]]
    assert current == [newer]


def test_using_it_changes_nothing_that_verify_sees(repository, customer, tmp_path):
    outcome = customer.json("install", TARGET, "--from", repository, "--root", "engines")
    tree = Path(outcome["path"])
    complete(outcome["programs"]["mlx_lm.server"], make_model(tree, tmp_path / "model"))
    assert customer.json("verify", "engines")["ok"] is True
    changed = tree / "lib" / f"python{made.PYTHON}" / "site-packages" / "mlx_lm" / "server.py"
    changed.chmod(0o644)
    changed.unlink()
    changed.write_text("")
    done = customer.run("verify", "engines", "--json")
    assert done.returncode == 7
    assert "mlx_lm/server.py" in done.stdout


def test_wheels_only_takes_the_python_that_is_there(world, tmp_path):
    user = world.builder("without-conda")
    world.channel.go_down()
    try:
        user.ok("build", "--target", TARGET, "--wheels-only", "--prove", "run", "--output", "dist")
    finally:
        world.channel.recover()
    artifact = only_artifact(user.home / "dist")
    assert [layer["name"] for layer in artifact["layers"]] == ["wheels", "installer"]
    bundle = next((user.home / "dist").rglob("mlx-lm-*.tar.zst"))
    outcome = user.json("install", "--from-file", bundle, "--root", "engines")
    answer = complete(outcome["programs"]["mlx_lm.server"], make_model(Path(outcome["path"]), tmp_path / "model"))
    assert answer["usage"]["completion_tokens"] == 16


def test_a_mirror_is_all_that_an_installation_needs(publisher, repository, customer):
    publisher.ok("mirror", "export", repository, "--to", "disks")
    customer.ok("mirror", "import", "--from", publisher.home / "disks", "--to", "mirror")
    outcome = customer.json("install", TARGET, "--from", "mirror", "--root", "engines")
    assert outcome["version"] == version_of(made.NEWER)


def test_a_channel_that_is_down_is_named_with_the_packages(world):
    user = world.builder("down")
    world.channel.go_down()
    try:
        done = user.run("build", "--target", TARGET, "--output", "dist")
    finally:
        world.channel.recover()
    assert done.returncode == 6, done.stderr
    for filename in world.records:
        assert filename in done.stderr
    assert "--wheels-only" in done.stderr
    assert not (user.home / "dist" / "manifest.json").exists()


def test_a_package_that_the_channel_lacks_is_named(world):
    user = world.builder("lacking")
    world.channel.lack("tzdata-2026a-0.conda")
    try:
        done = user.run("build", "--target", TARGET, "--output", "dist")
    finally:
        world.channel.recover()
    assert done.returncode == 6, done.stderr
    assert "tzdata-2026a-0.conda" in done.stderr


def test_a_package_with_other_bytes_is_refused(world):
    user = world.builder("spoiled")
    world.channel.spoil("tzdata-2026a-0.conda")
    try:
        done = user.run("build", "--target", TARGET, "--output", "dist")
    finally:
        world.channel.recover()
    assert done.returncode == 7, done.stderr
    assert "tzdata-2026a-0.conda" in done.stderr


def test_offline_without_the_packages_says_so(world):
    user = world.builder("offline")
    done = user.run("--offline", "build", "--target", TARGET, "--output", "dist")
    assert done.returncode == 12, done.stderr


def test_a_lock_that_its_inputs_have_left_is_not_built(world):
    user = world.builder("stale")
    asked = user.home / "envs" / "mlx" / "requirements.in"
    asked.write_text(asked.read_text().replace("mlx-lm", "mlx-lm[evaluate]"))
    done = user.run("build", "--target", TARGET, "--output", "dist")
    assert done.returncode != 0
    assert "requirements.in" in done.stderr
    assert "lock --env mlx" in done.stderr


def test_a_prefix_that_is_too_long_is_refused_and_what_was_there_stays(repository, customer):
    long = customer.home / ("x" * 200) / "engines"
    done = customer.run("install", TARGET, "--from", repository, "--root", long)
    assert done.returncode == 5, done.stderr
    assert "prefix" in done.stderr
    assert not list(long.glob("generations/*")), "nothing is half installed"
