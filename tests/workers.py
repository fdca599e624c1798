"""How many processes run the tests (ci/decisions/0048-tests-in-several-processes.md)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

MOST = 8  # each takes up to 500 MB, and the longest file is a tenth of all the time


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Answer `-n auto`, which pyproject.toml asks for; `-n 0` and a number of the caller's own come past this."""
    terminal = config.option.capture == "no"  # workers have none
    return 0 if terminal else count_workers(config.args, cores=count_cores())


def count_workers(arguments: Sequence[str], *, cores: int) -> int:
    """Return how many workers run what pytest was asked for; 0 is none, the tests run in pytest itself.

    A worker imports and collects everything before its first test, which a file or a test alone is not worth.

    Args:
        arguments: files, folders and names of tests.
        cores: that there are.
    """
    whole = all(Path(argument).is_dir() for argument in arguments)
    return min(cores, MOST) if whole and cores > 1 else 0


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
