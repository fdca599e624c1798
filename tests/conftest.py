"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.catalog import Catalog, load
from tests.simulators.engine_world import close_stores

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
