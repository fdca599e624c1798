"""A bundle of an environment installs without this program, offline, by what it brings with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from installer.scripts import Script

from pipeline.digest import sha256_bytes
from pipeline.errors import ProofError
from pipeline.make.environment_card import environment_card
from pipeline.make.installer_layer import PROGRAMS
from pipeline.make.offline import finish
from pipeline.plan.keys import FORMATS
from tests.simulators.conda_packages import PLACEHOLDER
from tests.simulators.environment_world import noarch_package, python_package
from tests.simulators.made_environment import PYTHON, MadeEnvironment
from tests.simulators.small_wheels import SmallWheel
from tests.simulators.stand_in_conda import write_conda

BASE = python_package()
PACK = noarch_package()
TOY = SmallWheel(
    "toy",
    files={"toy.py": b"import sys\ndef main():\n    print('toy', sys.argv[1:], sys.prefix)\n"},
    scripts={"toy": "toy:main"},
)
SHELLS = [["dash"], ["busybox", "ash"], ["bash", "--posix"]]


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a bundle's #1 & 100% [place]")
    made = MadeEnvironment(folder / "made", packages=(BASE, PACK), wheels={"wheels": (TOY,)})
    return made, made.write_bundle(folder / "bundle")


@pytest.fixture(scope="module")
def over_a_host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    made = MadeEnvironment(folder / "made", wheels={"wheels": (TOY,)})
    return made, made.write_bundle(folder / "bundle")


def install(bundle, prefix, *, path, shell=("sh",), **variables):
    environment = {"PATH": f"{path}{os.pathsep}{os.defpath}", **variables}
    return subprocess.run(
        [*shell, bundle / "share/engine-pipeline/install-offline.sh", prefix],
        capture_output=True, text=True, check=False, env=environment, timeout=120,
    )  # fmt: skip


def test_what_others_read_is_in_the_layer(bundled):
    made, bundle = bundled
    share = bundle / "share/engine-pipeline"
    card = json.loads((share / "environment.json").read_text())
    assert (card["engine"], card["version"]) == ("mlx-lm", "1.0")
    assert card["environment"] == {
        "python": PYTHON,
        "base": "conda",
        "channel": "conda",
        "packages": [f"linux-64/{BASE.filename}", f"noarch/{PACK.filename}"],
        "prefix_limit": len(PLACEHOLDER),
        "scripts": {"toy": "toy:main"},
    }
    assert made.results["installer"].facts["environment"] == card["environment"]
    assert (
        f"\nconda/linux-64/{BASE.filename}#{made.environment.conda[0].sha256}\n"
        in (share / "conda-explicit.txt").read_text()
    )
    lock = tomllib.loads((share / "pylock.toml").read_text())
    wheel = made.environment.wheels[0]
    assert lock["packages"][0]["wheels"] == [
        {"path": wheel.filename, "size": wheel.size_bytes, "hashes": {"sha256": wheel.sha256}}
    ]
    licenses = (share / "licenses.txt").read_text().splitlines()
    assert [line.split()[:3] for line in licenses] == [
        [PACK.name, PACK.version, "MIT"], ["python", f"{PYTHON}.1", "MIT"], ["toy", "1.0", "MIT"],
    ]  # fmt: skip
    assert (share / "tiny_model.py").read_text().startswith('"""Writes a tiny')


def test_the_script_has_no_fault_that_shellcheck_knows():
    script = Path(finish.__file__).with_name("install-offline.sh")
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not here")
    subprocess.run(["shellcheck", "--shell=sh", script], check=True)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("place", ["a place/of its own", "long/" + "x" * 200], ids=["spaces", "long"])
def test_conda_makes_the_base_and_the_wheels_lie_in_it(bundled, tmp_path_factory, shell, place):
    _, bundle = bundled
    folder = tmp_path_factory.mktemp("i")
    prefix = folder / place[: len(PLACEHOLDER) - len(str(folder)) - 1]
    write_conda(folder / "tools")
    done = install(bundle, prefix, path=folder / "tools", shell=shell)
    assert done.returncode == 0, done.stderr
    read = json.loads((prefix / "conda-meta/history").read_text())
    assert read[0] == str(bundle / "conda/linux-64" / BASE.filename)
    assert read[-1].startswith(str(prefix.parent))
    assert not (prefix / "conda").exists()
    assert (prefix / "share/engine-pipeline/tiny_model.py").is_file()
    assert [path.name for path in prefix.parent.iterdir()] == [prefix.name]
    assert (prefix / "bin/toy").read_bytes() == Script("toy", "toy", "main", "console").generate(
        str(prefix / "bin/python"), "posix"
    )[1]
    assert subprocess.check_output([prefix / "bin/toy", "a b"], text=True).startswith("toy ['a b']")
    assert (prefix / f"lib/python{PYTHON}/site-packages/pack/__init__.py").is_file()
    assert (prefix / f"lib/python{PYTHON}/config.py").read_text() == f"PREFIX = '{prefix}'\n"
    assert (prefix / "pyvenv.cfg").read_text() == f"home = {prefix}/bin\ninclude-system-site-packages = false\n"


def test_wheels_alone_are_laid_over_a_python_that_is_there(over_a_host, tmp_path):
    _, bundle = over_a_host
    prefix = tmp_path / "venv"
    done = install(bundle, prefix, path=tmp_path, PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    assert subprocess.check_output([prefix / "bin/toy"], text=True) == f"toy [] {prefix}\n"
    assert not (bundle / "share/engine-pipeline/conda-explicit.txt").exists()


def test_a_python_of_another_version_is_refused(over_a_host, tmp_path):
    _, bundle = over_a_host
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3.1\n")
    python.chmod(0o755)
    done = install(bundle, tmp_path / "venv", path=tmp_path, PYTHON=str(python))
    assert done.returncode == 1
    assert f"is Python 3.1, and the bundle's wheels are for {PYTHON}" in done.stderr
    assert not (tmp_path / "venv").exists()


@pytest.fixture
def copy(bundled, tmp_path):
    return Path(shutil.copytree(bundled[1], tmp_path / "copy"))


def fails(bundle, tmp_path, *, said, prefix=None, conda=None, left=()):
    place = tmp_path / "place"
    prefix = prefix or place / "prefix"
    path = tmp_path / "tools"
    write_conda(path, **(conda or {}))
    done = install(bundle, prefix, path=path)
    assert done.returncode == 1
    assert said in done.stderr
    assert [item.name for item in place.iterdir()] == list(left) if place.exists() else not left


def test_a_damaged_package_is_named_and_nothing_is_left(copy, tmp_path):
    package = copy / "conda/linux-64" / BASE.filename
    package.write_bytes(package.read_bytes()[:-1] + b"!")
    fails(copy, tmp_path, said=f"damaged or missing: conda/linux-64/{BASE.filename}: FAILED")


def test_a_changed_file_of_a_wheel_is_named_and_nothing_is_left(copy, tmp_path):
    (copy / f"lib/python{PYTHON}/site-packages/toy.py").write_text("import evil\n")
    fails(copy, tmp_path, said="toy.py has sha256")


def test_a_conda_that_fails_says_why_and_nothing_is_left(copy, tmp_path):
    fails(copy, tmp_path, said="the solver is not amused", conda={"fails": True})


def test_a_folder_that_is_there_stays(copy, tmp_path):
    (tmp_path / "place/prefix").mkdir(parents=True)
    fails(copy, tmp_path, said="is there already", left=["prefix"])


def test_a_prefix_that_is_too_long_is_refused_with_the_bound(copy, tmp_path):
    prefix = tmp_path / "place" / ("x" * 200) / ("y" * 100)
    fails(copy, tmp_path, said=f"at most {len(PLACEHOLDER)}", prefix=prefix, left=["x" * 200])


def test_without_any_conda_it_is_said_what_is_missing(copy, tmp_path):
    (tmp_path / "empty").mkdir()
    done = install(copy, tmp_path / "prefix", path=tmp_path / "empty")
    assert done.returncode == 1
    assert "none of conda, mamba and micromamba is here" in done.stderr


def test_another_conda_is_taken_from_the_environment(bundled, tmp_path):
    conda = write_conda(tmp_path / "elsewhere", name="micromamba")
    done = install(bundled[1], tmp_path / "prefix", path=tmp_path, MAMBA_EXE=str(conda))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("prefix", ["/short", "/with a space", "/with'a quote", "/l" + "o" * 200 + "ng", "/ünder"])
def test_programs_begin_as_the_installer_library_begins_them(prefix):
    expected = Script("x", "m", "f", "console").generate(f"{prefix}/bin/python", "posix")[1]
    assert expected.startswith(finish.first_lines(os.fsencode(f"{prefix}/bin/python")))


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", ""])
def test_paths_that_leave_the_environment_are_refused(tmp_path, path):
    entry = {"path": path, "link": None, "sha256": "0" * 64, "mode": 0o644}
    with pytest.raises(finish.Refused, match="leaves the environment"):
        finish.lay(entry, tmp_path, tmp_path / "prefix")


def test_a_link_does_not_lead_out_of_the_environment(tmp_path):
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    (prefix / "lib").symlink_to(tmp_path)
    entry = {"path": "lib/x", "link": None, "sha256": "0" * 64, "mode": 0o644}
    with pytest.raises(finish.Refused, match="outside the environment"):
        finish.lay(entry, tmp_path, prefix)


def test_settings_that_a_package_brings_are_refused(tmp_path):
    (tmp_path / "pyvenv.cfg").write_text("include-system-site-packages = true\n")
    with pytest.raises(finish.Refused, match=r"pyvenv\.cfg is in the environment already"):
        finish.leave_user_site_out(tmp_path)


def test_layers_that_bring_different_programs_of_one_name_are_refused(tmp_path):
    other = SmallWheel("other", scripts={"toy": "other:main"})
    with pytest.raises(ProofError, match="different programs toy"):
        MadeEnvironment(tmp_path / "made", wheels={"wheels": (TOY,), "metal": (other,)})


def test_the_same_inputs_give_the_same_layers(tmp_path):
    first, second = (
        MadeEnvironment(tmp_path / name, packages=(BASE, PACK), wheels={"wheels": (TOY,)})
        for name in ("first", "second")
    )
    assert environment_card(first.installer, first.results) == environment_card(second.installer, second.results)
    for name in first.layers:
        assert first.results[name].trees == second.results[name].trees
        assert first.results[name].blobs == second.results[name].blobs


def test_whoever_changes_what_travels_raises_the_format_of_the_step():
    travels = {name: files(package).joinpath(name).read_bytes() for package, name in PROGRAMS}
    digest = sha256_bytes(b"".join(sha256_bytes(data).encode() for data in travels.values()))
    # A store keeps what a step made under a key with its format: raise FORMATS["make_installer_layer"], then note both.
    assert (FORMATS["make_installer_layer"], digest) == (
        5,
        "be6c479a819d66f880b443ce850ca771b7aea7bb1ef1620c7582fc07aabcb094",
    )
