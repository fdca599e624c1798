"""Fixtures that tests of several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalog import Catalog, load

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def recipes_dir() -> Path:
    return PROJECT / "recipes"


@pytest.fixture(scope="session")
def catalog(recipes_dir: Path) -> Catalog:
    return load(recipes_dir)
