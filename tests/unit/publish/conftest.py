"""Fixtures of the publisher's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.simulators.engine_world import World


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process can see whether bytes are on the disk; tests/unit/system/test_durable.py checks the calls."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
