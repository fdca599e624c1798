from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.app.settings import default_cache_dir

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
