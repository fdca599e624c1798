from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules[sys.argv[1]] = None  # as if it were not installed
from pathlib import Path
from pipeline.catalog import load, locked_environment
from pipeline.errors import HostError
from pipeline.names import parse_target
catalog = load(Path(sys.argv[2]))
try:
    locked_environment(catalog, parse_target("mlx-lm/macos-arm64-mlx"))
except HostError as error:
    print(error.message, "|", error.hint)
"""


@pytest.mark.parametrize("module", ["yaml", "packaging"])
def test_without_what_reads_locks_recipes_are_read_and_the_extra_is_named(recipes_dir, module):
    argv = [sys.executable, "-c", PROGRAM, module, str(recipes_dir)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=recipes_dir.parent, check=False, timeout=60)
    assert done.stderr == ""
    assert module in done.stdout
    assert "pip install 'engine-pipeline[build]'" in done.stdout
