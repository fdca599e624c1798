"""What a running program has had resident, its children included."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from pipeline.ports import Command
from pipeline.system.processes import ProcessRunner
from pipeline.system.resident_memory import peak_resident_bytes

MEBIBYTE = 1 << 20
# Says a line once it has had so many MiB, and holds none of them any more.
HAD = "held = bytearray({had} << 20); held = None; print('had', flush=True); "
WAIT = "import time; time.sleep(60)"


@pytest.fixture
def start(tmp_path):
    running = []

    def started(program: str):
        command = Command((sys.executable, "-c", program), cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
        running.append(ProcessRunner().start(command))
        until = time.monotonic() + 60
        while not running[-1].output():  # what it said may come after its end
            assert time.monotonic() < until
            time.sleep(0.01)
        return running[-1]

    yield started
    for process in running:
        process.stop(grace_seconds=0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system keeps no peak")
def test_memory_that_was_given_back_counts(start):
    assert start(HAD.format(had=64) + WAIT).peak_resident_bytes() > 64 * MEBIBYTE


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the system lists no children")
def test_children_count(start):
    child = HAD.format(had=64) + WAIT
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert start(parent).peak_resident_bytes() > 64 * MEBIBYTE


def test_a_program_that_ended_has_none(start):
    process = start("print('had')")
    process.stop(grace_seconds=5)
    assert process.peak_resident_bytes() is None


def test_nobody_has_none():
    assert peak_resident_bytes(1 << 30) is None


def test_on_macos_what_is_resident_now_is_asked_of_ps(start, monkeypatch, tmp_path):
    listing = tmp_path / "ps"
    listing.write_text('#!/bin/sh\n[ "$*" = "-o rss= -p 7" ] && echo "  2048"\n')
    listing.chmod(0o755)
    monkeypatch.setattr("pipeline.system.resident_memory.platform.system", lambda: "Darwin")
    monkeypatch.setattr("pipeline.system.resident_memory._PS", str(listing))
    assert peak_resident_bytes(7) == 2 * MEBIBYTE
    assert peak_resident_bytes(8) is None
