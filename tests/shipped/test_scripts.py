from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.app.settings import default_cache_dir
from tests.simulators.mounts import mounted

ROOT = Path(__file__).parents[2]
SCRIPTS = [path for path in (*(ROOT / "ci").iterdir(), ROOT / ".ci" / "run") if path.is_file()]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_executable_and_its_shell_can_read_it(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("#!")
    assert os.access(path, os.X_OK)
    shell = {"#!/bin/sh": "sh", "#!/usr/bin/env bash": "bash"}.get(first)
    if shell:
        assert subprocess.run([shell, "-n", str(path)], check=False).returncode == 0


def test_the_whole_gate_calls_the_test_command_of_the_readme_exactly_once():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    calls = [line for line in text.splitlines() if "./ci/test" in line and not line.lstrip().startswith("#")]
    assert len(calls) == 1
    assert calls[0].rstrip().endswith("./ci/test")


@pytest.mark.parametrize(
    "environment",
    [{"HOME": "/a/home"}, {"HOME": "/a/home", "XDG_CACHE_HOME": "/an/xdg"}],
    ids=["home", "xdg"],
)
def test_the_environment_script_and_the_program_share_one_cache_folder(environment):
    script = (ROOT / "ci" / "environment").read_text(encoding="utf-8")
    line = next(line for line in script.splitlines() if line.startswith("cache="))
    shell = subprocess.run(
        ["/bin/sh", "-c", f'{line}; printf %s "$cache"'], env=environment, capture_output=True, text=True, check=True
    )
    assert shell.stdout == str(default_cache_dir(environment))


@pytest.fixture
def stand_in(tmp_path) -> Path:
    """Return a Python with the home ``tmp_path``, whose venv and pip make nothing much once ``go`` is there."""
    path = tmp_path / "python"
    path.write_text(
        f"""#!/bin/sh
here={shlex.quote(str(tmp_path))}
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo made >>"$here/made" ;;
"-m pip")
    until [ -e "$here/go" ]; do sleep 0.1; done
    printf %s "${{PYTHONPATH-none}}" >"$here/path"
    ;;
"-c "*home*) echo "$here" ;;
*) exec {shlex.quote(sys.executable)} "$@" ;;
esac
"""
    )
    path.chmod(0o755)
    return path


def environment_script(stand_in: Path, **variables: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHON": str(stand_in), **variables}
    return subprocess.Popen(
        [ROOT / "ci" / "environment", "dev"],
        env=environment,
        cwd=stand_in.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_of_several_that_want_an_environment_one_makes_it_and_the_others_say_that_they_wait(stand_in, tmp_path):
    runs = [environment_script(stand_in, ENGINE_PIPELINE_CACHE_DIR=str(tmp_path / "cache")) for _ in range(3)]
    said = sorted(run.stderr.readline() for run in runs)
    (tmp_path / "go").touch()
    made = {run.communicate(timeout=60)[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(made) == 1
    assert (tmp_path / "made").read_text() == "made\n"
    assert said[0].startswith("making the dev environment")
    assert said[1:] == ["waiting for another process that makes the environment\n"] * 2


def test_a_maker_that_was_killed_leaves_no_lock(stand_in, tmp_path):
    first = environment_script(stand_in, ENGINE_PIPELINE_CACHE_DIR=str(tmp_path / "cache"))
    while not (tmp_path / "made").exists():
        assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    (tmp_path / "go").touch()
    second = environment_script(stand_in, ENGINE_PIPELINE_CACHE_DIR=str(tmp_path / "cache"))
    out, _ = second.communicate(timeout=60)
    assert second.returncode == 0
    assert (Path(out.strip()) / "complete").is_file()


def test_a_relative_cache_folder_is_the_callers_and_their_packages_are_not_seen(stand_in, tmp_path):
    (tmp_path / "go").touch()
    run = environment_script(stand_in, ENGINE_PIPELINE_CACHE_DIR="some where", PYTHONPATH="/theirs")
    out, _ = run.communicate(timeout=60)
    assert out.startswith(f"{tmp_path}/some where/environments/dev-")
    assert (tmp_path / "path").read_text() == "none"


def test_without_home_the_cache_is_where_the_program_looks_for_it(stand_in, tmp_path):
    (tmp_path / "go").touch()
    run = environment_script(stand_in)
    run.communicate(timeout=60)
    assert (tmp_path / ".cache" / "engine-pipeline" / "environments").is_dir()


@pytest.mark.parametrize("module", ["venv", "pip"])
@pytest.mark.parametrize(
    ("said", "code", "error"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", 4, "no space left"),
        ("Error: [Errno 122] Disk quota exceeded", 4, "no space left"),
        ("ERROR: No matching distribution found", 5, ""),
    ],
)
def test_a_full_disk_is_told_apart_and_no_half_made_environment_stays(stand_in, tmp_path, module, said, code, error):
    makes = stand_in.read_text()
    fails = f'"-m {module}") mkdir -p "$3/lib"; echo "{said}" >&2; exit 1 ;;\n'
    stand_in.write_text(makes.replace('"-m venv")', f'{fails}"-m venv")', 1))
    (tmp_path / "go").touch()
    run = environment_script(stand_in, ENGINE_PIPELINE_CACHE_DIR=str(tmp_path / "cache"))
    out, told = run.communicate(timeout=60)
    assert (run.returncode, out) == (code, "")
    assert said in told, "what the maker wrote is shown"
    other = {"venv": "apt install python3-venv", "pip": "The network is needed"}[module]
    assert (error in told, other in told) == (True, code == 5)
    assert not any(path.is_dir() for path in (tmp_path / "cache" / "environments").iterdir())


def test_a_disk_that_is_full_is_found_where_its_maker_does_not_say_so(stand_in, tmp_path):
    with mounted(tmp_path / "cache", "-t", "tmpfs", "-o", "size=2m", "none") as cache:
        fill = '"-m venv") mkdir -p "$3"; cat /dev/zero >"$3/pip" 2>/dev/null; echo failed >&2; exit 1 ;;\n'
        stand_in.write_text(stand_in.read_text().replace('"-m venv")', f'{fill}"-m venv")', 1))
        run = environment_script(stand_in, ENGINE_PIPELINE_CACHE_DIR=str(cache))
        _, told = run.communicate(timeout=60)
        assert run.returncode == 4, told
        assert "no space left" in told
        assert not any(path.is_dir() for path in (cache / "environments").iterdir())


def test_the_interpreter_is_named_and_nothing_is_made(stand_in):
    done = subprocess.run(
        [ROOT / "ci" / "environment", "interpreter"],
        env={"PATH": os.environ["PATH"], "PYTHON": str(stand_in)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{stand_in}\n"
