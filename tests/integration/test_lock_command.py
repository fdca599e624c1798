"""`lock` as a user runs it, in a process of its own, with the recorded channel and an index on loopback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.catalog.miniforge import MINIFORGE, RELEASES, miniforge_text
from pipeline.names import miniforge_file
from tests.simulators import miniforge
from tests.simulators.command_line import PROJECT, CommandLine
from tests.simulators.lock_world import RECORDED_CHANNEL, LockWorld
from tests.simulators.wheel_index import WheelIndex


@pytest.fixture
def index():
    with WheelIndex() as index:
        index.add("thing", "1.0")
        yield index


@pytest.fixture
def world(tmp_path: Path, index: WheelIndex) -> LockWorld:
    return LockWorld(tmp_path / "w", index)


@pytest.fixture
def user(tmp_path: Path, index: WheelIndex) -> CommandLine:
    (tmp_path / "home").mkdir()
    return CommandLine(tmp_path / "home", variables={"UV_DEFAULT_INDEX": index.url})


def json_of(user: CommandLine, *arguments: str | Path, code: int = 0):
    """Run a command with --json that must end with a code; return its document."""
    done = user.run(*arguments, "--json")
    assert done.returncode == code, f"{arguments} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def test_an_environment_is_locked_checked_and_exported(user, world, tmp_path):
    where = ("--envs", world.folder.parent, "--env", "tiny")
    stale = json_of(user, "lock", "--check", *where, code=1)
    assert stale["tiny"]["fresh"] is False
    [outcome] = json_of(user, "lock", *where, "--channel", world.channel, "--conda", "builtin")
    assert len(outcome["files"]) == 4
    assert json_of(user, "lock", "--check", *where, "--offline") == {
        "tiny": {"fresh": True, "reasons": [], "miniforge": []}
    }
    output = tmp_path / "explicit.txt"
    json_of(
        user, "lock", *where, "--platform", "macos-arm64", "--format", "conda-explicit", "--output", output, "--offline"
    )
    assert "@EXPLICIT" in output.read_text()


def test_the_shipped_locks_are_fresh(user):
    assert all(found["fresh"] for found in json_of(user, "lock", "--check").values())


SHIPPED = PROJECT / "envs" / "mlx"


def locked_anew(user: CommandLine, envs: Path, conda: str) -> Path:
    """Lock the shipped base anew with a conda, and return the environment's folder."""
    folder = envs / "mlx"
    shutil.copytree(SHIPPED, folder)
    (folder / "conda-lock.yml").unlink()
    (folder / "requirements.in").write_text("thing==1.0\n")
    json_of(user, "lock", "--envs", envs, "--env", "mlx", "--channel", RECORDED_CHANNEL, "--conda", conda)
    return folder


def base(folder: Path) -> str:
    lines = (folder / "conda-lock.yml").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("# made together"))


def test_the_shipped_base_is_what_the_recorded_channel_decides(user, tmp_path):
    folder = locked_anew(user, tmp_path / "envs", "builtin")
    assert base(folder) == base(SHIPPED)
    assert (folder / "conda-records.json").read_bytes() == (SHIPPED / "conda-records.json").read_bytes()


@pytest.mark.parametrize("program", ["conda", "mamba", "micromamba"])
def test_a_real_conda_decides_what_our_solver_does(user, tmp_path, program):
    if shutil.which(program) is None:
        pytest.skip(f"needs a conda of the machine's own on PATH: {program}")
    assert base(locked_anew(user, tmp_path / "envs", program)) == base(SHIPPED)


def test_a_pin_that_lacks_a_platform_fails_the_check_with_what_mends_it_and_the_lock_stays_fresh(user, world):
    world.lock()
    installer = miniforge.pinned(b"forge", miniforge_file(miniforge.VERSION, "macos-arm64"))
    (world.folder / MINIFORGE).write_text(miniforge_text("tiny", {"macos-arm64": installer}))
    where = ("--envs", world.folder.parent, "--env", "tiny")
    done = user.run("lock", "--check", *where)
    assert (done.returncode, done.stdout) == (1, "tiny is fresh\n")
    assert f"error: {world.folder / MINIFORGE}: installers.linux-x86_64: is missing" in done.stderr
    lock = f" lock --envs {world.folder.parent} --env tiny"
    assert done.stderr.split("next:")[1].splitlines()[0].endswith(f"{lock} --miniforge VERSION")
    (world.folder / "conda-lock.yml").unlink()
    done = user.run("lock", "--check", *where)
    assert (done.returncode, done.stdout.strip()) == (1, "")
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("next:"))
    assert f"{lock}; " in line
    assert line.endswith(f"{lock} --miniforge VERSION")


@pytest.mark.parametrize("form", ["conda-explicit", "pylock"])
def test_a_stale_lock_is_written_for_other_installers_with_a_warning(user, world, form):
    asked = ("lock", "--envs", world.folder.parent, "--env", "tiny", "--platform", "macos-arm64", "--format", form)
    world.lock()
    fresh = user.run(*asked)
    assert (fresh.returncode, fresh.stderr) == (0, "")
    world.require("thing>=1.0")
    old = user.run(*asked)
    assert (old.returncode, old.stdout) == (0, fresh.stdout)
    assert "pylock.macos-arm64.toml: requirements.in changed since it was made" in old.stderr
    again = f"lock --envs {world.folder.parent} --env tiny"
    assert f"{again}`" in old.stderr
    assert again in user.run("lock", "--check", *asked[1:5]).stderr
    assert any("requirements.in changed" in reason for reason in json_of(user, *asked)["stale"])


@pytest.mark.parametrize("command", ["lock", "lock --check", "plan", "build"])
def test_a_place_for_a_channel_that_nobody_uses_is_told(user, world, command):
    used, typo = "https://conda.anaconda.org/conda-forge", "https://conda.anaconda.org/conda-forgery"
    places = f"{used}=http://127.0.0.1:9/a {typo.replace('//', '//me:secret@')}=http://127.0.0.1:9/b {RELEASES}=http://127.0.0.1:9/c"
    user.variables["ENGINE_PIPELINE_CHANNELS"] = places
    (world.folder / "conda-problem.txt").write_text("this test is about settings\n")
    arguments = {
        "lock": ("--envs", world.folder.parent, "--env", "tiny", "--dry-run"),
        "lock --check": ("--envs", world.folder.parent, "--env", "tiny"),
        "plan": ("--target", "mlx-lm/macos-arm64-mlx"),
        "build": ("--target", "mlx-lm/macos-arm64-mlx", "--dry-run"),
    }
    done = user.run(*command.split(), *arguments[command])
    assert done.returncode == (1 if command == "lock --check" else 0), done.stderr  # nothing was locked yet
    [line] = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert f"a place for {typo}, which no environment uses; they use {used}, {RELEASES}" in line


def test_a_folder_without_environments_is_never_fresh(user, tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        error = json_of(user, "lock", "--check", "--envs", folder, code=2)["error"]
        assert "has no environment" in error["message"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--env", "tiny", "--platform", "linux-arm64"), 2),
        (("--env", "tiny", "--platform", "amiga"), 2),
        (("--env", "none"), 2),
        ((), 2),
        (("--env", "tiny", "--check", "--format", "pylock"), 2),
        (("--env", "tiny", "--format", "pylock"), 2),
        (("--env", "tiny", "--output", "list.txt"), 2),
        (("--env", "tiny", "--with-urls"), 2),
        (("--env", "tiny", "--platform", "linux-x86_64", "--format", "conda-explicit", "--with-urls"), 2),
        (("--check", "--platform", "linux-x86_64"), 2),
        (("--check", "--channel", "nowhere"), 2),
        (("--env", "tiny", "--miniforge", ""), 2),
        (("--env", "tiny", "--offline"), 12),
        (("--env", "tiny", "--conda", "no-such-conda"), 5),
        (("--env", "tiny", "--channel", "http://127.0.0.1:9/x", "--conda", "builtin"), 6),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_refusal_has_the_exit_code_of_its_kind_and_writes_nothing(user, world, arguments, code):
    before = world.files()
    error = json_of(user, "lock", "--envs", world.folder.parent, *arguments, code=code)["error"]
    assert error["code"] == code
    assert error["hint"]
    assert world.files() == before
