"""The check of a GPU's bundle refuses what it cannot compare; that it runs shows tests/integration/test_vulkan.py."""

from __future__ import annotations

import json

import pytest

from ci.gpu.check import main, require_ratio
from ci.gpu.report import Measured, Report, markdown
from pipeline.errors import ProofError
from pipeline.model.manifest_document import write_manifest


def measured(target: str, speed: float) -> Measured:
    return Measured(
        target=target,
        version="b1",
        sha256="0" * 64,
        devices=("a device",),
        text="The sea is blue.",
        prompt_per_second=speed * 10,
        generated_per_second=speed,
        ready_seconds=1.5,
    )


REPORT = Report(
    date="2026-11-26",
    system="a system",
    gpus=("a GPU",),
    driver="580.1",
    model="m.gguf",
    gpu=measured("llama.cpp/linux-x86_64-cuda-13.0", 90.0),
    processor=measured("llama.cpp/linux-x86_64-cpu", 30.0),
)


def test_a_gpu_that_is_slower_than_asked_for_fails_the_check():
    require_ratio(REPORT, None)
    require_ratio(REPORT, 3.0)
    with pytest.raises(ProofError, match=r"cuda-13.0 generates 3.00 times as fast as .*cpu, not 3.5"):
        require_ratio(REPORT, 3.5)


def test_a_report_says_when_and_on_what_it_was_measured():
    text = markdown(REPORT)
    assert text.startswith("2026-11-26, a GPU, driver 580.1, a system, m.gguf:")
    assert "| llama.cpp/linux-x86_64-cuda-13.0 b1 | a device | 900.0 | 90.0 | 1.5 |" in text
    assert json.loads(json.dumps(REPORT.document()))["ratio"] == 3.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--dist", "/nonexistent"], "is no folder that `build` wrote"), (["--environment", "x"], "is not NAME=VALUE")],
)
def test_a_wrong_command_line_ends_with_2(arguments, said, capsys):
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_dist_without_a_gpus_bundle_ends_with_5(tmp_path, capsys):
    (tmp_path / "manifest.json").write_bytes(write_manifest((), release="r", created="2026-01-01T00:00:00Z"))
    assert main(["--dist", str(tmp_path)]) == 5
    assert "not exactly one for a GPU" in capsys.readouterr().err
