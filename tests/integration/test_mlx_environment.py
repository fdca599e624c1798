"""The MLX environment, all of it real: made of a channel on loopback and of real wheels, proven, published, served.

Slow: it downloads 60 MB of wheels once, and the real mlx_lm.server answers from every place that it is installed to.
What does not need MLX itself is in test_tiny_environment.py.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.simulators import mlx_environment as made
from tests.simulators.engine_client import complete
from tests.simulators.environment_users import EnvironmentWorld, make_mlx_world, only_artifact, publish
from tests.simulators.kept_cache import CACHE_DIR
from tests.simulators.web import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not made.can_run(), reason=f"the wheels of mlx need Linux on x86_64 with glibc {made.FLOOR}"),
]


def make_world(folder: Path) -> EnvironmentWorld:
    """Return the world, for the fixture ``world``; what was downloaded once stays."""
    return make_mlx_world(folder, cache=CACHE_DIR)


def make_model(tree: Path, folder: Path) -> Path:
    """Have an installed environment write the model that it is checked with."""
    program = tree / "share" / "engine-pipeline" / "tiny_model.py"
    subprocess.run([tree / "bin" / "python", program, folder], check=True, env={"HF_HUB_OFFLINE": "1"})
    return folder


def test_the_real_server_answered_before_the_bundle_was_called_done(world, publisher):
    for version in world.versions:
        proof = only_artifact(publisher.home / version)["proof"]
        assert proof["level"] == "run"
        assert version in proof["version"]
        assert proof["devices"][0].startswith("CPU")
        assert proof["generated_tokens"] >= 16
        assert proof["ready_milliseconds"] > 0
        assert proof["resident_bytes"] > 50_000_000, "Python, MLX and transformers do not fit into less"


def test_only_the_wheels_differ_between_two_versions_of_mlx_lm(world, publisher):
    older, newer = (
        {layer["name"]: layer["tree_sha256"] for layer in only_artifact(publisher.home / version)["layers"]}
        for version in world.versions
    )
    assert older["base"] == newer["base"]
    assert older["wheels"] != newer["wheels"]


@pytest.mark.parametrize("length", [0, 200])
def test_it_serves_from_wherever_it_is_installed(repository, world, customer, tmp_path, length):
    root = customer.home / "My Engines" / "here"
    inside = len(f"/generations/{world.engine}/1/tree")
    root = root if not length else Path(str(root) + "x" * (length - inside - len(str(root))))
    with serving(repository) as (url, _):
        outcome = customer.json("install", world.target, "--from", url, "--root", root)
    tree = Path(outcome["path"])
    assert len(str(tree)) == (length or len(str(tree)))
    model = make_model(tree, tmp_path / "model")
    assert complete(outcome["programs"]["mlx_lm.server"], model)["usage"]["completion_tokens"] == 16
    said = subprocess.run([tree / "bin/python", "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True)
    assert said.stdout.decode().strip() == str(tree)
    assert customer.json("verify", root)["ok"] is True


def test_a_version_can_be_taken_back_and_the_one_before_serves(repository, world, customer, tmp_path):
    older, newer = world.versions
    first = customer.json("install", world.target, "--from", repository, "--root", "engines", "--version", older)
    update = customer.json("install", world.target, "--from", repository, "--root", "engines", "--health", "run")
    assert (update["version"], update["previous_version"]) == (newer, older)
    assert customer.json("rollback", "--root", "engines", "--health", "run")["version"] == older
    model = make_model(Path(first["path"]), tmp_path / "model")
    assert complete(first["programs"]["mlx_lm.server"], model)["usage"]["completion_tokens"] == 16


def test_uv_installs_what_is_exported(repository, world, customer, tmp_path):
    outcome = customer.json("install", world.target, "--from", repository, "--root", "engines")
    exported = Path(outcome["path"]) / "share" / "engine-pipeline" / "pylock.toml"
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for wheel in world.locks[world.versions[-1]][1]:
        shutil.copyfile(next((CACHE_DIR / "blobs").rglob(wheel["sha256"])), wheels / wheel["path"])
    shutil.copyfile(exported, wheels / "pylock.toml")
    base = Path(outcome["path"]) / "bin" / "python"
    subprocess.run([base, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    uv = [made.uv(), "pip", "install", "--offline", "--python", tmp_path / "venv" / "bin" / "python"]
    subprocess.run([*uv, "--cache-dir", tmp_path / "uv", "-r", "pylock.toml"], check=True, cwd=wheels)
    said = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-c", "import mlx_lm; print(mlx_lm.__version__)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert said.stdout.strip() == world.versions[-1]


def test_wheels_alone_serve_with_the_python_that_is_there(world, tmp_path):
    user = world.builder("wheels-only")
    user.ok("build", "--target", world.target, "--wheels-only", "--prove", "run", "--output", "dist")
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    publish(user, "dist")
    customer = world.customer(tmp_path / "customer", user)
    outcome = customer.json("install", world.target, "--from", user.home / "repository", "--root", "engines")
    model = make_model(Path(outcome["path"]), tmp_path / "model")
    assert complete(outcome["programs"]["mlx_lm.server"], model)["usage"]["completion_tokens"] == 16
