"""Speed is tokens of a second of the processor, whatever the clock on the wall says."""

from __future__ import annotations

from subprocess import CalledProcessError

import pytest

from tests.gathering.generating import tokens_per_processor_second

BURNS = """#!/usr/bin/env python3
import pathlib, sys, time
pathlib.Path(__file__).with_name("asked").write_text(" ".join(sys.argv[1:]))
while time.process_time() < {burns}:
    pass
time.sleep({sleeps})
sys.exit({code})
"""


def bundle(folder, *, burns=0.3, sleeps=0.0, code=0):
    program = folder / "bin" / "llama-bench"
    program.parent.mkdir(parents=True)
    program.write_text(BURNS.format(burns=burns, sleeps=sleeps, code=code))
    program.chmod(0o755)
    return folder


def test_waiting_does_not_count(tmp_path):
    speed = tokens_per_processor_second(bundle(tmp_path, sleeps=1.0), tmp_path / "model.gguf", "prompt")
    assert 128 * 3 / 0.9 < speed <= 128 * 3 / 0.3


def test_only_one_kind_is_asked_for_on_one_thread(tmp_path):
    speed = tokens_per_processor_second(bundle(tmp_path), tmp_path / "model.gguf", "generation")
    asked = (tmp_path / "bin" / "asked").read_text()
    assert asked.endswith("-t 1 -p 0 -n 48 -r 3")
    assert speed <= 48 * 3 / 0.3


def test_a_program_that_fails_gives_no_speed(tmp_path):
    with pytest.raises(CalledProcessError):
        tokens_per_processor_second(bundle(tmp_path, code=4), tmp_path / "model.gguf", "prompt")
