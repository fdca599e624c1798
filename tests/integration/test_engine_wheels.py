"""`wheel pack`: bundles as wheels, installed with pip alone in a clean environment, with the bundle's digests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import make_user
from tests.simulators.clean_environment import CleanEnvironment
from tests.simulators.command_line import CommandLine
from tests.simulators.wheel_records import installed_digests

PROJECT = "engine-tiny-engine-cpu"
PACKAGE = "engine_tiny_engine_cpu"


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> CommandLine:
    """Return who has built the tiny engine."""
    user = make_user(tmp_path_factory.mktemp("wheels") / "user")
    user.ok("build", "--target", "linux-x86_64-cpu", "--model", user.home / "model.gguf")
    return user


@pytest.fixture(scope="module")
def artifact(user: CommandLine) -> dict:
    return json.loads((user.home / "dist" / "manifest.json").read_text())["artifacts"][0]


@pytest.fixture(scope="module")
def wheel(user: CommandLine) -> Path:
    (made,) = user.json("wheel", "pack", "--output", "wheels")["wheels"]
    return user.home / "wheels" / made["file"]


@pytest.fixture
def clean(wheel: Path, tmp_path: Path) -> CleanEnvironment:
    """Return an environment in which pip has installed the wheel, with no index."""
    clean = CleanEnvironment.make(tmp_path / "venv")
    clean.install(PROJECT, wheel.parent)
    return clean


def test_the_tag_is_no_older_than_the_glibc_that_was_measured(wheel, artifact):
    found = re.fullmatch(rf"{PACKAGE}-2-py3-none-manylinux_2_(\d+)_x86_64\.whl", wheel.name)
    assert found
    assert int(found[1]) >= int(artifact["requires"]["glibc"].removeprefix("2."))


def test_auditwheel_agrees_with_the_tag(wheel):
    argv = [sys.executable, "-m", "auditwheel", "show", "--json", str(wheel)]
    said = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    assert wheel.stem.endswith(f"-{said['sym_tag']}")
    assert said["external_libs"] == {}


def test_pip_puts_the_program_on_the_path_and_it_runs(clean):
    assert "build 2" in clean.run(clean.home / "bin" / "tiny-server", "--version")


def test_the_installed_files_have_the_digests_of_the_bundles_layers(clean, artifact):
    wanted = {layer["name"]: layer["tree_sha256"] for layer in artifact["layers"] if not layer["optional"]}
    assert installed_digests(clean.package(PACKAGE)) == wanted
    record = json.loads((clean.package(PACKAGE) / "engine.json").read_text())
    assert record["bundle_sha256"] == artifact["sha256"]


def test_the_wheel_finds_out_by_itself_what_was_changed(clean):
    python, package = clean.python, clean.package(PACKAGE)
    whole = subprocess.run([python, "-m", PACKAGE, "verify"], capture_output=True, text=True, check=True)
    assert json.loads(whole.stdout)["faults"] == []
    with (package / "tree" / "bin" / "tiny-server").open("ab") as program:
        program.write(b"!")
    (package / "tree" / "bin" / "libmore.so").write_bytes(b"")
    (package / "tree" / "licenses" / "tiny-engine.txt").unlink()
    changed = subprocess.run([python, "-m", PACKAGE, "verify"], capture_output=True, text=True, check=False)
    assert changed.returncode == 7
    assert [fault.split()[0] for fault in json.loads(changed.stdout)["faults"]] == [
        "licenses/tiny-engine.txt",
        "layer",
        "bin/libmore.so",
    ]


def test_the_same_bundle_is_the_same_wheel_to_the_byte(user, wheel):
    (again,) = user.json("wheel", "pack", "--output", "again")["wheels"]
    assert (user.home / "again" / again["file"]).read_bytes() == wheel.read_bytes()


def test_a_wheel_that_is_there_stays_and_another_one_of_its_name_is_refused(user, wheel):
    before = wheel.stat().st_mtime_ns
    user.ok("wheel", "pack", "--output", "wheels")
    assert wheel.stat().st_mtime_ns == before
    other = user.home / "other"
    other.mkdir()
    (other / wheel.name).write_bytes(b"another")
    done = user.run("wheel", "pack", "--output", "other")
    assert done.returncode == 7
    assert (other / wheel.name).read_bytes() == b"another"
    assert [path.name for path in other.iterdir()] == [wheel.name]


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(user, wheel):
    said = user.json("wheel", "pack", "--output", "nothing", "--dry-run")
    assert [one["project"] for one in said["wheels"]] == [PROJECT]
    assert not (user.home / "nothing").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--from", "nowhere"), 2), (("--target", "linux-x86_64-vulkan"), 2)],
    ids=["no manifest", "no such bundle"],
)
def test_what_cannot_be_a_wheel_is_said(user, arguments, code):
    assert user.run("wheel", "pack", *arguments).returncode == code


def test_a_layer_that_was_changed_makes_no_wheel(user, artifact, tmp_path):
    dist = shutil.copytree(user.home / "dist", tmp_path / "dist")
    core = dist / artifact["layers"][0]["url"]
    data = bytearray(core.read_bytes())
    data[len(data) // 2] ^= 1
    core.write_bytes(data)
    assert user.run("wheel", "pack", "--from", dist, "--output", tmp_path / "out").returncode == 7
    assert not (tmp_path / "out").exists()


def test_a_rehearsal_is_no_engine_and_makes_no_wheel(user):
    user.ok("build", "--target", "linux-x86_64-cpu", "--rehearsal", "--output", "rehearsed")
    done = user.run("wheel", "pack", "--from", "rehearsed", "--output", "none")
    assert done.returncode == 2
    assert not (user.home / "none").exists()
