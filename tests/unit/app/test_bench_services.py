from __future__ import annotations

from types import SimpleNamespace

import pytest

from pipeline.app.bench_services import bench_ground
from pipeline.errors import HostError


def test_windows_is_told_that_no_strategy_can_be_measured_there():
    facts = SimpleNamespace(platform="windows-x86_64")
    services = SimpleNamespace(host=SimpleNamespace(facts=lambda: facts))
    with pytest.raises(HostError, match="cannot be measured on Windows") as failure:
        bench_ground(None, services)
    assert "--read" in failure.value.hint
