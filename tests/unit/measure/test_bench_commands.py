from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.measure.bench_commands import BenchCommands
from pipeline.system.clock import SystemClock
from pipeline.system.processes import ProcessRunner

# Stands where the program does, and says which proxy it would take.
PROGRAM = """
import json, os, urllib.request
print(json.dumps({"proxy": urllib.request.getproxies().get("https"),
                  "passed by": bool(urllib.request.proxy_bypass("packages.example"))}, indent=2))
"""
LINK = SimpleNamespace(at_client=lambda argv: argv)
PROXY = "http://proxy.example:3128"


@pytest.fixture
def commands(tmp_path):
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__main__.py").write_text(PROGRAM)
    services = SimpleNamespace(clock=SystemClock(), commands=ProcessRunner())
    ground = SimpleNamespace(python=sys.executable)
    environment = {"HTTPS_PROXY": PROXY}
    return BenchCommands(tmp_path, ground=ground, services=services, package_dir=tmp_path, environment=environment)


def test_a_command_that_is_run_over_no_link_takes_the_users_proxy(commands):
    found = commands.run("install", cache_dir=Path("cache")).document
    assert found == {"proxy": PROXY, "passed by": False}


def test_a_command_at_the_end_of_a_link_is_led_past_every_proxy(commands):
    found = commands.run("install", cache_dir=Path("cache"), link=LINK).document
    assert found["passed by"] is True
