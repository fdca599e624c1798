from __future__ import annotations

import re

import pytest

from pipeline.errors import ProofError
from pipeline.make.prove import _program
from pipeline.model.actions import Prove
from pipeline.model.recipe import ProofRecipe

RECIPE = ProofRecipe(
    server="llama-server",
    version_args=(),
    version_pattern="x",
    device_program="llama-bench",
    device_args=(),
    server_args=(),
    model="none",
    prompt="",
    minimum_tokens=1,
    ready_timeout_seconds=1,
)


def proof(platform: str) -> Prove:
    return Prove(
        target=f"llama.cpp/{platform}-cpu",
        platform=platform,
        accelerator_kind="cpu",
        layers=(),
        compiled=(),
        level="run",
        recipe=RECIPE,
        build_number=1,
        expect_devices=(),
        requires_cpu=(),
        system_libraries=(),
    )


@pytest.mark.parametrize(
    ("platform", "name"), [("windows-x86_64", "llama-server.exe"), ("linux-x86_64", "llama-server")]
)
def test_a_program_is_found_under_its_name_on_the_platform(tmp_path, platform, name):
    with pytest.raises(ProofError, match=re.escape(name)):
        _program(proof(platform), tmp_path, "llama-server")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).touch()
    assert _program(proof(platform), tmp_path, "llama-server") == tmp_path / "bin" / name
