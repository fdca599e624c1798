"""Python environments at the command line: installed, listed, verified, mirrored and drilled like any engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators.engine_world import close_stores
from tests.simulators.environment_world import PYTHON, SITE, EnvironmentWorld
from tests.simulators.mirrors import mirrored

TARGET = "mlx-lm/linux-x86_64-mlx"


@pytest.fixture
def environments(tmp_path: Path):
    """Return a world with two published environments: one brings a Python, the newer one takes the host's."""
    folder = tmp_path / "world"
    folder.mkdir()
    world = EnvironmentWorld(folder)
    world.build_environment("0.32.2")
    world.build_environment("0.33.0", packages=())
    world.publish()
    yield world
    close_stores()


def install(world: EnvironmentWorld, *options: object, root: Path | None = None, source: Path | None = None):
    trusted = ("--trusted-root", world.keys_dir / "root.json")
    return (
        "install", TARGET, "--from", source or world.repository, "--root", root or world.root, *trusted, *options,
    )  # fmt: skip


def test_an_environment_is_installed_verified_and_rolled_back(user, environments):
    world = environments
    said = user.ok(*install(world, "--version", "0.32.2"))
    program = world.root / "generations/mlx-lm/1/tree/bin/mlx_lm.server"
    assert f"mlx_lm.server: {program}" in said
    outcome = user.json(*install(world, "--python", sys.executable))
    assert (outcome["version"], outcome["health"]["version"]) == ("0.33.0", "mlx-lm 0.33.0")
    assert user.json("verify", world.root)["ok"]
    assert user.json("rollback", "--root", world.root)["version"] == "0.32.2"
    listed = user.json("list", "--root", world.root)["generations"]
    assert [g["version"] for g in listed if g["current"]] == ["0.32.2"]
    assert user.json("use", "0.33.0", "--root", world.root)["health"]["version"] == "mlx-lm 0.33.0"
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    assert done.stdout == "serving []\n"


def test_list_doctor_and_verify_say_that_the_hosts_python_is_gone_and_what_to_do(user, environments, monkeypatch):
    world = environments
    python = world.folder / "its-python"
    python.symlink_to(Path(sys.executable).resolve())
    user.ok(*install(world, "--python", python))
    monkeypatch.setenv("ENGINE_PIPELINE_ROOT", str(world.root))
    assert "mlx-lm 0.33.0" in user.ok("doctor")
    assert "is gone" not in user.ok("doctor")
    python.unlink()
    assert "broken" in user.ok("list")
    assert f"cannot run: the Python that it runs on, {python}, is gone; `install` makes it anew" in user.err
    said = user.ok("doctor")
    assert f"the Python that it runs on, {python}, is gone" in said
    assert "`install` makes it anew" in said
    assert user.run("verify", world.root) == 7
    assert f"{python} (missing)" in user.err
    assert "--python names one" in user.err.partition("next:")[2]
    assert "--repair" not in user.err, "one answer, and the one that mends it"
    (world.root / "generations/mlx-lm/1/tree/bin/mlx_lm.server").unlink()
    assert user.run("verify", world.root) == 7
    assert all(option in user.err.partition("next:")[2] for option in ("--repair", "--python"))
    assert user.json(*install(world, "--python", sys.executable))["generation"] == 2
    assert "broken" not in user.ok("list").splitlines()[1]


@pytest.mark.parametrize("command", ["select", "explain"])
def test_a_choice_that_brings_no_python_says_that_this_machine_lacks_it_and_what_mends_that(user, tmp_path, command):
    folder = tmp_path / "world"
    folder.mkdir()
    world = EnvironmentWorld(folder)
    world.build_environment("0.33.0", packages=(), python="3.99")
    world.publish()
    ask = (command, "--from", world.repository, "--trusted-root", world.keys_dir / "root.json")
    found = user.json(*ask)
    assert found["chosen"]["target"] == TARGET, "`install --python` can serve, so it is still the choice"
    assert "no python3.99 on its PATH" in found["warnings"][-1]
    said = user.ok(*ask)
    assert "--python FILE" in user.err
    assert command == "select" or "no python3.99 on its PATH" in said
    facts = tmp_path / "facts.json"
    facts.write_text(user.ok("select", "--print-host-facts"))
    assert not user.json(*ask, "--host-facts", facts)["warnings"], "of a recorded host it is not known"
    close_stores()


@pytest.mark.parametrize("command", ["select", "explain"])
def test_a_choice_whose_python_is_there_warns_of_nothing(user, environments, command, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / f"python{PYTHON}").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    ask = (command, "--from", environments.repository, "--trusted-root", environments.keys_dir / "root.json")
    assert not [line for line in user.json(*ask)["warnings"] if "PATH" in line]


def test_a_dry_run_changes_nothing(user, environments):
    outcome = user.json(*install(environments, "--version", "0.32.2", "--dry-run"))
    assert outcome["dry_run"]
    assert not list((environments.root / "generations").iterdir())


def test_a_python_that_does_not_fit_ends_with_5_and_one_without_use_with_2(user, environments):
    assert user.run(*install(environments, "--python", "/bin/true")) == 5
    assert user.run(*install(environments, "--version", "0.32.2", "--python", sys.executable)) == 2
    assert "brings a Python of its own" in user.err


def test_a_root_that_is_too_long_ends_with_2_and_says_how_much(user, environments, tmp_path):
    root = tmp_path / ("r" * 120) / ("r" * 120)
    assert user.run(*install(environments, "--version", "0.32.2", root=root)) == 2
    assert "bytes shorter" in user.err


def test_an_environment_comes_from_a_mirror_as_from_its_repository(user, environments, tmp_path):
    mirror = tmp_path / "mirror"
    mirrored(environments, mirror, keep=2)
    outcome = user.json(*install(environments, "--version", "0.32.2", "--offline", source=mirror))
    assert (Path(outcome["path"]) / SITE / "pack/__init__.py").is_file()
    assert user.json("mirror", "verify", mirror)["ok"]


def test_a_mirror_with_an_environment_is_drilled(user, tmp_path):
    folder = tmp_path / "world"
    folder.mkdir()
    world = EnvironmentWorld(folder)
    world.build_environment("0.32.2")
    world.publish()
    mirror = tmp_path / "mirror"
    mirrored(world, mirror)
    code = user.run("mirror", "drill", mirror, "--trusted-root", world.keys_dir / "root.json", "--json")
    if code == 5:
        pytest.skip("no process can be cut off from the network here")
    assert code == 0, user.err + user.out
    close_stores()


def test_a_drill_says_which_python_this_machine_lacks_and_blames_no_mirror(user, tmp_path):
    folder = tmp_path / "world"
    folder.mkdir()
    world = EnvironmentWorld(folder)
    world.build_environment("0.33.0", packages=(), python="3.99")
    world.publish()
    mirror = tmp_path / "mirror"
    mirrored(world, mirror)
    drill = ("mirror", "drill", mirror, "--trusted-root", world.keys_dir / "root.json")
    code = user.run(*drill, "--json")
    if code == 5:
        pytest.skip("no process can be cut off from the network here")
    row = json.loads(user.out)["rows"][0]
    assert (row["outcome"], row["bytes"]) == ("lacking", 0)
    assert "no python3.99 on its PATH" in row["detail"]
    assert code == 10, "nothing ran, so nothing is proven"
    assert user.run(*drill) == 10
    assert "no python3.99 on its PATH" in user.err
    assert "mirror verify" not in user.err
    close_stores()


def test_doctor_says_what_links_conda_packages(user):
    found = {finding["what"]: finding for finding in user.json("doctor")["findings"]}
    assert found["conda packages"]["state"] == "ok"
    assert found["conda packages"]["found"].startswith("py-rattler ")
