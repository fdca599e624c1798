"""`wheel build` on a tiny project: options from recipes, a tag from what was compiled, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.catalog.locked import CONDA_PROBLEM
from pipeline.digest import sha256_bytes
from tests.integration.conftest import make_user
from tests.simulators import tiny_lm, tiny_wheel
from tests.simulators.command_line import CommandLine
from tests.simulators.http_server import FaultyServer
from tests.simulators.locked_environment import TinyEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLATFORM = "linux-x86_64"
WITHOUT_JSON = ("wheel", "build", "tiny-python", "--no-prove", "--bundle", "dist")


@pytest.fixture
def user(tmp_path: Path) -> CommandLine:
    user = make_user(tmp_path / "user")
    tiny_wheel.write_recipe(user.recipes, tiny_wheel.write_source(user.home / "python-source"))
    return user


def build(user: CommandLine, *more: str | Path) -> subprocess.CompletedProcess[str]:
    return user.run("wheel", "build", "tiny-python", "--no-prove", "--json", *more)


@pytest.fixture
def bundle(user: CommandLine) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return what builds the wheel and a bundle of it for a Python that is there, with one more wheel of an index."""
    filename, data = tiny_lm.make_wheel("tiny-words", "1.2", {"tiny_words.py": "WORDS = ()\n"})
    wheel = {"path": filename, "size": len(data), "sha256": sha256_bytes(data)}
    folder = TinyEnvironment(
        environment={
            "name": "tiny-python",
            "channels": ["conda-forge"],
            "platforms": ["linux-64"],
            "dependencies": ["python 3.11.*"],
        },
        virtual_packages={"subdirs": {"linux-64": {"packages": {"__unix": "0", "__glibc": "2.99"}}}},
        lock=None,
        pylocks={PLATFORM: [{"name": "tiny-words", "version": "1.2", "wheels": [wheel]}]},
        header='lock-version = "1.0"\ncreated-by = "uv"\nrequires-python = ">=3.11"\n',
    ).write(user.home / "envs", "tiny-python")
    (folder / CONDA_PROBLEM).write_text("no conda package is needed\n")
    with FaultyServer() as server:
        user.variables["PIP_INDEX_URL"] = tiny_lm.host_index(server, {filename: data})
        yield lambda *more: build(user, "--bundle", "dist", *more)


def set_budget(user: CommandLine, installed_bytes: int) -> None:
    with recipe(user).open("a") as text:
        text.write(f'[[budgets.bundles]]\ntargets = ["{PLATFORM}-*"]\ninstalled_bytes = {installed_bytes}\n')


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def inner(user: CommandLine, name: str) -> Path:
    return user.home / "python-source" / "vendor" / "tiny" / name


def recipe(user: CommandLine) -> Path:
    return user.recipes / "engines" / "tiny-python.toml"


def test_a_wheel_has_the_tag_of_what_was_compiled_and_auditwheel_agrees(user):
    done = build(user)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["options"]["TINY_BACKEND"] == "ON"
    assert "TINY_NEWER" not in made["options"]
    assert made["file"].endswith(f"-py3-none-{made['tag']}.whl")
    argv = [sys.executable, "-m", "auditwheel", "show", "--json", made["file"]]
    said = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    assert (said["overall_tag"], said["external_libs"]) == (made["tag"], {})


def test_a_library_lies_in_it_once_and_what_the_package_never_reads_is_left_out(user):
    made = json.loads(build(user).stdout)
    with zipfile.ZipFile(made["file"]) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        licenses = [name for name in wheel.namelist() if "/licenses/" in name]
    assert sorted(names) == ["tiny_python/__init__.py", "tiny_python/lib/libtiny.so"]
    assert [Path(name).name for name in licenses] == ["LICENSE"]


def test_a_bundle_of_a_wheel_within_its_budget_is_made_and_its_figure_is_in_the_document(user, bundle):
    set_budget(user, 5_000_000)
    done = bundle()
    assert done.returncode == 0, done.stdout
    made = json.loads(done.stdout)
    assert (made["budgets"]["over"], [figure["measure"] for figure in made["budgets"]["figures"]]) == (
        [],
        ["installed"],
    )
    assert "error" not in made


def test_a_bundle_of_a_wheel_above_its_budget_ends_with_11_and_both_are_kept(user, bundle):
    set_budget(user, 1000)
    done = bundle()
    assert done.returncode == 11, done.stdout
    made = json.loads(done.stdout)
    (over,) = made["budgets"]["over"]
    assert (over["target"], over["measure"], over["limit"]) == (f"tiny-python/{PLATFORM}-cpu", "installed", 1000)
    assert (made["error"]["code"], made["error"]["class"]) == (11, "BudgetError")
    assert "recipes/engines/tiny-python.toml" in made["error"]["hint"]
    assert Path(made["file"]).stat().st_size == made["size"]
    (artifact,) = json.loads((user.home / "dist" / "manifest.json").read_text())["artifacts"]
    assert Path(made["bundle"]) == user.home / "dist" / artifact["url"]
    assert Path(made["bundle"]).stat().st_size == artifact["size"]
    assert user.run("verify", "dist").returncode == 0
    assert (user.run(*WITHOUT_JSON).returncode, user.run(*WITHOUT_JSON, "--budget", "off").returncode) == (11, 0)


def test_a_budget_of_a_wheels_bundle_may_be_a_warning(user, bundle):
    set_budget(user, 1000)
    done = bundle("--budget", "warn")
    assert done.returncode == 0, done.stderr
    assert f"warning: tiny-python/{PLATFORM}-cpu 1.2.3: installed is" in done.stderr
    made = json.loads(done.stdout)
    assert len(made["budgets"]["over"]) == 1
    assert "error" not in made
    shown = user.run(*WITHOUT_JSON, "--budget", "warn")
    assert shown.returncode == 0, shown.stderr
    assert "Over budget" in shown.stdout


def test_it_loads_where_it_is_installed(user, tmp_path):
    made = json.loads(build(user).stdout)
    pip = [sys.executable, "-m", "pip", "--isolated", "install", "-q", "--no-index", "--target", tmp_path / "site"]
    subprocess.run([*pip, made["file"]], check=True)
    argv = [sys.executable, "-c", "import tiny_python"]
    said = subprocess.run(argv, env={"PYTHONPATH": str(tmp_path / "site")}, capture_output=True, text=True, check=True)
    assert said.stdout == "answer 42\n"


def test_elsewhere_it_is_the_same_to_the_byte(user, tmp_path):
    first = json.loads(build(user).stdout)
    again = build(user, "--cache-dir", tmp_path / "other-cache", "--output", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["sha256"] == first["sha256"]


def test_a_second_build_compiles_nothing_and_a_changed_source_is_built_anew(user):
    first = json.loads(build(user).stdout)
    again = build(user)
    assert "start" not in again.stderr
    assert json.loads(again.stdout)["sha256"] == first["sha256"]
    change(inner(user, "tiny.cpp"), "42", "43")
    assert json.loads(build(user, "--output", "changed").stdout)["sha256"] != first["sha256"]


def test_an_option_that_the_source_does_not_know_is_named_before_anything_is_compiled(user):
    change(recipe(user), "[options]\n", '[options]\nTINY_BACKENDS = "ON"\n')
    done = build(user)
    assert done.returncode == 2
    assert "TINY_BACKEND" in json.loads(done.stdout)["error"]["message"]


def test_an_option_of_the_other_engine_that_the_source_does_not_know_is_left_out(user):
    change(user.recipes / "engines" / "tiny-engine.toml", "[options]\n", '[options]\nTINY_ELSEWHERE = "ON"\n')
    done = build(user)
    assert done.returncode == 0, done.stderr
    assert "TINY_ELSEWHERE" not in json.loads(done.stdout)["options"]


def test_as_many_compilers_run_as_were_asked_for(user):
    seen = user.home / "level.txt"
    change(
        inner(user, "CMakeLists.txt"),
        "install(T",
        f'file(WRITE "{seen}" "$ENV{{CMAKE_BUILD_PARALLEL_LEVEL}}")\ninstall(T',
    )
    assert build(user, "--jobs", "1").returncode == 0
    assert seen.read_text() == "1"


def test_a_compiler_error_is_the_message(user):
    inner(user, "tiny.cpp").write_text("int answer( { return 1; }\n")
    done = build(user)
    assert done.returncode == 9
    assert "tiny.cpp:1" in json.loads(done.stdout)["error"]["message"]


def test_a_library_that_no_host_must_have_makes_no_wheel(user):
    change(recipe(user), '"libstdc++.so.6"', '"libother.so.1"')
    done = build(user)
    assert done.returncode == 10
    assert "libstdc++.so.6" in json.loads(done.stdout)["error"]["message"]
    assert not (user.home / "wheels").exists()


def test_files_compiled_for_more_than_the_recipe_says_make_no_wheel(user):
    change(inner(user, "CMakeLists.txt"), "set_target", "target_compile_options(tiny PRIVATE -mavx2)\nset_target")
    done = build(user)
    assert done.returncode == 10
    assert "avx2" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--accel", "avx2"), 3),
        (("--accel", "vulkan"), 2),
        (("--release", "9"), 2),
    ],
    ids=["refused with a reason", "no recipe", "no such release"],
)
def test_what_there_is_no_wheel_of_is_said(user, options, code):
    assert build(user, *options).returncode == code


def test_an_engine_that_is_no_wheel_is_said(user):
    assert user.run("wheel", "build", "tiny-engine").returncode == 2


def test_a_dry_run_lists_the_steps_and_does_nothing(user):
    done = build(user, "--dry-run")
    assert [step["name"] for step in json.loads(done.stdout)["steps"]][1].startswith("wheel tiny-python")
    assert not (user.home / "wheels").exists()


def test_a_mistake_in_the_recipe_names_file_and_key(user):
    change(recipe(user), 'options_of = "tiny-engine"', 'options_of = "other"')
    done = user.run("check")
    assert done.returncode == 2
    assert "options_of" in done.stderr


def test_needs_that_are_not_locked_are_said_by_check_and_before_anything_is_compiled(user):
    for done in (user.run("check"), user.run("wheel", "build", "tiny-python")):
        assert done.returncode == 2
        assert "envs/tiny-python" in done.stderr


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no namespaces here")
def test_no_network_is_used(user):
    first = user.run("wheel", "build", "tiny-python", "--no-prove", "--no-compiler-cache", prefix=("unshare", "-rn"))
    assert first.returncode == 0, first.stderr
