"""`verify` as a process: progress, and what Ctrl-C does."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from tests.simulators.command_line import CommandLine


def test_an_interruption_ends_verify_at_once_with_130(user, world, tmp_path):
    world.publish()
    blob = world.repository / "blobs/ab" / ("ab" * 32)
    blob.parent.mkdir(exist_ok=True)
    with blob.open("wb") as stream:
        stream.truncate(1 << 40)  # hours of reading
    events = tmp_path / "events.jsonl"
    process = CommandLine(tmp_path).start("verify", world.repository, "--json-events", events, "--jobs", "2")
    deadline = time.monotonic() + 60
    while "step_progress" not in read(events):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    told = [event for line in read(events).splitlines() if (event := json.loads(line))["event"] == "step_progress"]
    assert told[-1]["total"] > 1 << 40
    assert 0 < told[-1]["done"] < told[-1]["total"]


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
