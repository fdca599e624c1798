"""Packing a layer, which takes minutes for a large one, says how far it is for people and for programs."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline.events import StepStarted
from pipeline.make.packing import pack_layer
from pipeline.reporting.json_lines import JsonLinesSink
from pipeline.reporting.lines import LinesSink
from tests.simulators.engine_world import services_for
from tests.simulators.hand_clock import HandClock

SIZE = 4 << 20
ACTION = SimpleNamespace(layer_name="wheels", zstd_level=1, epoch_seconds=0)


class PassingClock(HandClock):
    """Five seconds pass between any two looks at it."""

    def monotonic(self) -> float:
        self.sleep(5.0)
        return super().monotonic()


@pytest.fixture
def packed(tmp_path):
    services = services_for(tmp_path)

    def run(sink):
        folder = tmp_path / "layer"
        folder.mkdir()
        (folder / "model.bin").write_bytes(bytes(SIZE))
        sink.emit(StepStarted("layer wheels"))
        return pack_layer(folder, ACTION, "layer wheels", services=replace(services, events=sink), work=tmp_path)

    return run


def test_programs_read_bytes_done_of_how_many(packed):
    stream = io.StringIO()
    made = packed(JsonLinesSink(stream, HandClock()))
    told = [json.loads(line) for line in stream.getvalue().splitlines()][1:]
    assert (told[0]["done"], told[-1]["done"]) == (0, SIZE)
    assert {(line["event"], line["step"], line["total"], line["unit"], line["detail"]) for line in told} == {
        ("step_progress", "layer wheels", SIZE, "bytes", f"packing {made.archive.filename}")
    }


def test_the_summary_says_what_the_files_were_packed_to_in_units_that_show_it(packed):
    made = packed(JsonLinesSink(io.StringIO(), HandClock()))
    archive = made.archive.model_copy(update={"size_bytes": 33_100})
    small = made._replace(tree=made.tree.model_copy(update={"size_bytes": 97_400}), archive=archive)
    assert small.summary == "97.4 kB, packed 33.1 kB (34 % of that)"
    large = made._replace(tree=made.tree.model_copy(update={"size_bytes": 14_400_000}), archive=archive)
    assert large.summary == "14.4 MB, packed 33.1 kB (0 % of that)"


def test_a_log_says_how_far_it_is_and_how_long_it_takes(packed):
    stream = io.StringIO()
    packed(LinesSink(stream, PassingClock(), verbosity="normal"))
    assert "layer wheels: 2.1 MB of 4.2 MB (50 %)" in stream.getvalue()
    assert "left, packing wheels-" in stream.getvalue()
