"""A bundle for a GPU, whole, with the tiny engine: core, the processor's backend, its own, and a vendor's runtime."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine

GPU, CPU = "linux-x86_64-cuda-13.0", "linux-x86_64-cpu"

ACCELERATOR = """
schema_version = 1
name = "cuda"
kind = "cuda"
platforms = ["linux-x86_64"]
expect_devices = ["^CUDA0"]

[toolkit]
title = "CUDA"
versions = ["13.0"]
variables = ["CUDA_PATH"]
places = ["/nonexistent/cuda"]
program = "bin/nvcc"
version_args = ["--version"]
version_pattern = 'V(\\d+\\.\\d+\\.\\d+)'
files = ["lib64/libcudart.so"]
minimum = "11.7"
install = "there is none"

[toolkit.runtime]
files = ["lib64/libcudart.so.[0-9][0-9]"]
license_texts = ["EULA.txt"]
licenses = ["LicenseRef-NVIDIA-CUDA-EULA"]

[engines.tiny-engine]
role = "backend"
cmake_targets = ["tiny-gpu"]
outputs = ["libtiny-gpu.so"]
own_options = ["TINY_RUNTIME"]

[engines.tiny-engine.options]
TINY_RUNTIME = "{toolkit}/lib64/libcudart.so"
"""


def write_toolkit(folder: Path, *, answer: int = 42) -> Path:
    """Write a toolkit: a compiler that says its version, and a vendor's library that this machine's compiler makes."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib64").mkdir()
    program = folder / "bin" / "nvcc"
    program.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n")
    program.chmod(0o755)
    source = folder / "runtime.c"
    source.write_text(f"int cudaAnswer(void) {{ return {answer}; }}\n")
    library = folder / "lib64" / "libcudart.so.13"
    argv = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libcudart.so.13", "-o", library, source]
    subprocess.run(argv, check=True)
    (folder / "lib64" / "libcudart.so").symlink_to("libcudart.so.13")
    (folder / "EULA.txt").write_text("be nice")
    return folder


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> CommandLine:
    folder = tmp_path_factory.mktemp("gpu")
    user = make_user(folder, CUDA_PATH=str(write_toolkit(folder / "toolkit")))
    (user.recipes / "accelerators" / "cuda.toml").write_text(ACCELERATOR)
    return user


@pytest.fixture(scope="module")
def artifacts(user: CommandLine) -> dict[str, dict]:
    user.ok("build", "--target", f"{GPU},{CPU}", "--model", user.home / "model.gguf")
    manifest = json.loads((user.home / "dist" / "manifest.json").read_text())
    return {artifact["accel"]: artifact for artifact in manifest["artifacts"]}


def test_it_is_a_pile_of_layers_the_first_two_of_which_are_those_of_the_processors_bundle(artifacts):
    layers = {accel: [one for one in a["layers"] if not one["optional"]] for accel, a in artifacts.items()}
    assert [one["name"] for one in layers["cuda-13.0"]] == ["core", "cpu", "cuda-13.0", "cuda-13.0-runtime"]
    assert layers["cuda-13.0"][:2] == layers["cpu"]


def test_its_provenance_names_the_options_of_what_was_compiled_and_of_nothing_else(user, artifacts):
    signed = json.loads((user.home / "dist" / artifacts["cuda-13.0"]["provenance"]).read_text())
    components = signed["predicate"]["buildDefinition"]["internalParameters"]["components"]
    assert set(components) == {"core", "cpu", "cuda-13.0"}
    assert "TINY_RUNTIME" in components["cuda-13.0"]
    assert "TINY_RUNTIME" not in components["core"]


def test_it_is_opened_and_not_run_where_there_is_no_gpu(artifacts):
    proof = artifacts["cuda-13.0"]["proof"]
    assert proof["level"] == "none"
    assert artifacts["cuda-13.0"]["requires"]["driver"] == "580"
    assert "libcudart.so.13" not in artifacts["cuda-13.0"]["requires"]["libraries"]


def test_another_version_of_the_engine_keeps_the_vendors_runtime(user, artifacts):
    user.ok("build", "--target", GPU, "--release", "t1", "--output", "older")
    older = json.loads((user.home / "older" / "manifest.json").read_text())["artifacts"][0]
    runtime = {a["version"]: a["layers"][-1] for a in (older, artifacts["cuda-13.0"])}
    assert runtime["t1"]["name"] == "cuda-13.0-runtime"
    assert runtime["t1"]["sha256"] == runtime["t2"]["sha256"]


def test_a_runtime_that_lacks_what_the_backend_calls_is_no_bundle(user, tmp_path):
    other = make_user(tmp_path / "user", CUDA_PATH=str(write_toolkit(tmp_path / "toolkit")))
    (other.recipes / "accelerators" / "cuda.toml").write_text(ACCELERATOR)
    source = other.home / "source" / "src" / "backend.cpp"
    source.write_text(source.read_text() + '\nextern "C" int cudaAbsent(void);\nint (*absent)(void) = cudaAbsent;\n')
    done = other.run("build", "--target", GPU, "--output", "none")
    assert done.returncode == 10, done.stderr
    assert "cudaAbsent" in done.stderr
    assert not (other.home / "none" / "manifest.json").exists()
