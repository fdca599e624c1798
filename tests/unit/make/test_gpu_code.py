from __future__ import annotations

import pytest

from pipeline.errors import ProofError
from pipeline.make.gpu_code import check_architectures, measured_architectures
from pipeline.system.binaries import FileInspector
from tests.simulators.binaries import fixture

BASE = FileInspector().inspect(fixture("linux-x86_64", "cuda"))


def cards(**architectures):
    return {
        f"bin/lib{name}.so": BASE.model_copy(update={"gpu_architectures": names})
        for name, names in architectures.items()
    }


def test_a_bundle_has_code_for_what_any_of_its_files_has():
    found = measured_architectures(cards(a=("sm_90", "compute_120"), b=(), c=("sm_75", "sm_90")))
    assert found == ("sm_75", "sm_90", "compute_120")
    assert measured_architectures({}) == ()


def test_every_library_with_gpu_code_must_have_what_was_asked_for():
    check_architectures("t", ("sm_75", "sm_90"), cards(a=("sm_75", "sm_90"), b=()))
    with pytest.raises(ProofError, match=r"libb\.so has no code for sm_75, sm_120.*it has it for sm_90") as caught:
        check_architectures("t", ("sm_75", "sm_90", "sm_120"), cards(a=("sm_75", "sm_90", "sm_120"), b=("sm_90",)))
    assert caught.value.exit_code == 10


def test_no_gpu_code_at_all_is_a_failure_only_where_some_was_asked_for():
    check_architectures("t", (), cards(a=()))
    with pytest.raises(ProofError, match="no GPU code"):
        check_architectures("t", ("gfx1100",), cards(a=()))
