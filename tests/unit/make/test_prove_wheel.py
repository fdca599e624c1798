"""A wheel is proven as a user meets it: pip installs it with what it needs, and it must generate."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import HostError, ProofError
from pipeline.make.prove_wheel import prove_wheel
from pipeline.model.result import StepResult
from pipeline.model.wheel_actions import ProveWheel
from pipeline.model.wheel_recipe import WheelProof
from tests.simulators.engine_world import services_for

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CODE = """
import tiny
print("tiny", tiny.answer({model}, {prompt}, {tokens}), "tokens")
"""
ANSWERS = "def answer(model, prompt, tokens):\n    assert open(model).read() == 'weights'\n    return tokens\n"


def wheel(folder: Path, module: str, *, tag: str = "py3-none-any", needs: str = "") -> Path:
    path = folder / f"tiny-1.0-{tag}.whl"
    metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n" + (f"Requires-Dist: {needs}\n" if needs else "")
    files = {
        "tiny.py": module,
        "tiny-1.0.dist-info/METADATA": metadata,
        "tiny-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, "tiny-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, "tiny-1.0.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def prove(tmp_path):
    services = services_for(tmp_path / "store")

    def run(module: str = ANSWERS, *, python: str = PYTHON, minimum_tokens: int = 16, **made: str):
        work = tmp_path / "work"
        work.mkdir()
        files = {"wheel": wheel(tmp_path, module, **made), "model": tmp_path / "tiny.gguf"}
        files["model"].write_text("weights")
        results = {
            name: StepResult(
                key="0" * 64, blobs={name: services.store.add_blob(path, filename=path.name)}, trees={}, facts={}
            )
            for name, path in files.items()
        }
        results["fetched"] = StepResult(key="0" * 64, blobs={}, trees={}, facts={})
        action = ProveWheel(
            wheel="wheel",
            fetched="fetched",
            needs=(),
            python=python,
            model="model",
            proof=WheelProof(
                code=CODE,
                pattern="^tiny (?P<tokens>[0-9]+) tokens",
                model="tiny",
                prompt="the sea's 'edge'",
                minimum_tokens=minimum_tokens,
                timeout_seconds=60,
            ),
        )
        return prove_wheel(action, services, results, work).facts["proof"]

    return run


def test_what_it_generated_is_read_from_what_it_said(prove):
    proof = prove()
    assert proof["generated_tokens"] == 16
    assert proof["said"] == "tiny 16 tokens"
    assert proof["model"].startswith("tiny.gguf sha256:")


@pytest.mark.parametrize(
    ("module", "made"),
    [
        ("def answer(*_):\n    return 15\n", {}),
        ("raise SystemExit(3)\n", {}),
        (ANSWERS, {"tag": "cp27-none-any"}),
        (ANSWERS, {"needs": "what-is-not-locked"}),
    ],
    ids=["too few", "it ends", "pip refuses it", "a need is not there"],
)
def test_what_does_not_work_is_no_wheel(prove, module, made):
    with pytest.raises(ProofError):
        prove(module, **made)


def test_the_python_that_its_needs_are_locked_for_must_be_here(prove):
    with pytest.raises(HostError):
        prove(python="3.99")
