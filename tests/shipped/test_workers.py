"""In how many processes tests run, and that pytest asks for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers import MOST, count_cores, count_workers

ROOT = Path(__file__).parents[2]
FILE = str(Path(__file__))
FOLDER = str(Path(__file__).parent)


@pytest.mark.parametrize(
    ("arguments", "cores", "workers"),
    [
        ((), 2, 2),
        ((FOLDER,), 2, 2),
        ((FOLDER, str(ROOT / "tests" / "golden")), 4, 4),
        ((FOLDER,), 64, MOST),
        ((FOLDER,), 1, 0),
        ((FILE,), 2, 0),
        ((f"{FILE}::test_one",), 2, 0),
        ((FOLDER, FILE), 2, 0),
    ],
)
def test_folders_get_a_worker_a_core_and_files_none(arguments, cores, workers):
    assert count_workers(arguments, cores=cores) == workers


def run_one_test(tmp_path: Path, *arguments: str) -> str:
    """Return what pytest says of one test in a folder, with this project's settings."""
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "conftest.py").write_text("from tests.workers import pytest_xdist_auto_num_workers\n")
    (folder / "test_one.py").write_text("def test_one(worker_id):\n    print('ran in', worker_id)\n")
    argv = [sys.executable, "-m", "pytest", "-rP", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "COVERAGE_"))}
    done = subprocess.run(
        [*argv, "-p", "no:cacheprovider", *arguments],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(count_cores() < 2, reason="one core gets no worker")
def test_a_folder_runs_in_a_worker(tmp_path):
    assert "ran in gw" in run_one_test(tmp_path, "cases")


@pytest.mark.parametrize("arguments", [("cases/test_one.py",), ("cases", "-s")], ids=["a file", "no capture"])
def test_what_is_small_or_wants_the_terminal_runs_in_pytest_itself(tmp_path, arguments):
    assert "ran in master" in run_one_test(tmp_path, *arguments)


def test_what_the_tests_start_can_be_interrupted():
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_so_it_is_where_the_tests_run_in_the_background():
    name = f"{FILE}::{test_what_the_tests_start_can_be_interrupted.__name__}"
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", name]
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]  # as a shell does for what ends in &
    assert "1 passed" in subprocess.run(ignoring, cwd=ROOT, capture_output=True, text=True, check=False).stdout
