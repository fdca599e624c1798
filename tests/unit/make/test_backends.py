from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ProofError
from pipeline.make.backends import require_backend
from tests.simulators.binaries import write_engine

if TYPE_CHECKING:
    from pathlib import Path


def test_the_files_of_a_backend_are_returned(tmp_path: Path):
    write_engine(tmp_path / "bin", "linux-x86_64", "vulkan")
    found = require_backend(tmp_path, ("libggml-vulkan.so", "libggml-cpu-*.so"), "llama.cpp/linux-x86_64-vulkan")
    assert found == ("bin/libggml-cpu-haswell.so", "bin/libggml-cpu-x64.so", "bin/libggml-vulkan.so")


def test_a_bundle_without_its_backend_fails_the_proof_and_names_every_pattern(tmp_path: Path):
    write_engine(tmp_path / "bin", "windows-x86_64")
    with pytest.raises(ProofError, match=r"windows-x86_64-cuda-12\.4 has no ggml-cuda\.dll, cudart64_\*\.dll"):
        require_backend(
            tmp_path, ("ggml-cuda.dll", "ggml-cpu-*.dll", "cudart64_*.dll"), "llama.cpp/windows-x86_64-cuda-12.4"
        )


@pytest.mark.parametrize(("target", "found"), [("windows-x86_64-cpu", True), ("linux-x86_64-cpu", False)])
def test_case_matters_where_the_system_has_it(tmp_path: Path, target, found):
    (tmp_path / "GGML-CPU.dll").touch()
    if found:
        assert require_backend(tmp_path, ("ggml-cpu.dll",), target) == ("GGML-CPU.dll",)
    else:
        with pytest.raises(ProofError):
            require_backend(tmp_path, ("ggml-cpu.dll",), target)


def test_a_pattern_with_a_slash_is_about_the_path(tmp_path: Path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libggml-metal.dylib").touch()
    assert require_backend(tmp_path, ("lib/*metal*",), "macos-arm64-metal") == ("lib/libggml-metal.dylib",)
    with pytest.raises(ProofError):
        require_backend(tmp_path, ("bin/*metal*",), "macos-arm64-metal")


def test_a_link_that_leads_nowhere_is_no_backend(tmp_path: Path):
    (tmp_path / "libggml-cuda.so").symlink_to("libggml-cuda.so.1")
    with pytest.raises(ProofError):
        require_backend(tmp_path, ("libggml-cuda.so",), "linux-x86_64-cuda-12.8")
