"""A test that is left out is never left out without a word: the gate prints the reason, and knows which it allows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import read_allowed

ROOT = Path(__file__).parents[2]
ALLOWED = ROOT / "tests" / "allowed_skips.toml"
CASES = """import pytest

def test_one():
    pytest.skip("no wing here: {why}")

@pytest.mark.skipif(True, reason="no wing here: none")
def test_other():
    pass

@pytest.mark.xfail(reason="known")
def test_known():
    assert False
"""


def run_cases(tmp_path: Path, allowed: str, *more: str) -> tuple[int, str, str]:
    """Return what pytest ends with and says of two tests that are left out, and what it wrote of them."""
    cases, skips, report = tmp_path / "cases", tmp_path / "skips.toml", tmp_path / "report.txt"
    cases.mkdir()
    (cases / "conftest.py").write_text("from tests.skips import pytest_addoption, pytest_configure\n")
    (cases / "test_one.py").write_text(CASES.replace("{why}", "none"))
    (cases / "test_file.py").write_text(
        'import pytest\npytest.importorskip("wings", reason="no wings in this Python")\n'
    )
    skips.write_text(f'[[skips]]\nreason = "{allowed}"\nbecause = "it is a test"\n')
    asked = ("-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, f"--allowed-skips={skips}", f"--skips-to={report}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "COVERAGE_"))}
    argv = [sys.executable, "-m", "pytest", *map(str, asked), *more, str(cases)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, env=kept)
    return done.returncode, done.stdout + done.stderr, report.read_text()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_reason_that_is_not_allowed_fails_and_names_the_test(tmp_path, workers):
    code, said, report = run_cases(tmp_path, "no wings *", "-n", workers)
    assert code == 1
    assert "SKIP NOT ALLOWED  no wing here: none: " in said
    assert "test_one.py::test_other" in said
    assert "SKIP NOT ALLOWED  no wings" not in said
    assert report.splitlines() == ["  1  no wings in this Python", "  2  no wing here: none"]


def test_reasons_that_are_allowed_pass_and_are_written_down(tmp_path):
    code, said, report = run_cases(tmp_path, "no wing*", "-n", "0")
    assert (code, "SKIP NOT ALLOWED" in said) == (0, False)
    assert len(report.splitlines()) == 2


def test_each_allowed_reason_is_still_one_that_a_test_gives():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    words = {glob: max(glob.split("*"), key=len) for glob in read_allowed(ALLOWED)}
    assert words
    assert [glob for glob, word in words.items() if not any(word in text for text in texts)] == []


def test_the_gate_looks_at_skips():
    gate = (ROOT / ".ci/run").read_text()
    assert "--allowed-skips=tests/allowed_skips.toml --skips-to='$skips'\" ./ci/test\n" in gate
    assert 'cat "$skips"' in gate
