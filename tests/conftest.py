"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

# filelock audits forks with a Python function, which lets other threads run in the midst of sys.settrace. Coverage
# traces every thread, and CPython 3.11 ends a thread that starts just then ("while another trace function is being
# installed"): a stress of 12,000 threads lost 72 of them with that function, none without.
with mock.patch("sys.addaudithook"):
    import filelock  # noqa: F401 - imported for what it registers

from pipeline.catalog import Catalog, load
from tests.simulators.engine_world import close_stores
from tests.skips import pytest_addoption, pytest_configure  # noqa: F401 - pytest looks for them here
from tests.workers import pytest_xdist_auto_num_workers  # noqa: F401 - pytest looks for it here

# A shell has what it starts in the background ignore Ctrl-C, and so would every program that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).resolve().parent.parent

# The gate asks the same questions every time; HYPOTHESIS_PROFILE=explore asks new ones.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


@pytest.fixture(scope="session")
def recipes_dir() -> Path:
    return PROJECT / "recipes"


@pytest.fixture(scope="session")
def catalog(recipes_dir: Path) -> Catalog:
    return load(recipes_dir)


@pytest.fixture(autouse=True)
def _stores_are_closed() -> Iterator[None]:
    yield
    close_stores()
