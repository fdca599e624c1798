"""A whole CUDA backend, as a bundle, on a machine without such a GPU: where it was compiled before.

An hour of processor time compiles even the reduced set (no flash attention, one architecture), so a test does not: it
takes what the cache folder of whoever runs it holds, and says what would put it there.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.simulators.command_line import CommandLine
from tests.simulators.kept_cache import user_with_kept_cache

pytestmark = pytest.mark.slow

CUDA, AVX2 = "linux-x86_64-cuda-13.0", "linux-x86_64-avx2"
SET = ("--source", "build", "--base", "avx2", "--toolkit", "packaged", "--architectures", "short")
REDUCED = (*SET, "--cmake-option", "GGML_CUDA_FA=OFF")


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> CommandLine:
    return user_with_kept_cache(tmp_path_factory.mktemp("cuda-build"))


@pytest.fixture(scope="module")
def options(user: CommandLine) -> tuple[str, ...]:
    """Return the options of the set that is here: all of it, or without flash attention."""
    for options in (SET, REDUCED):
        planned = user.json("plan", "--target", CUDA, *options)["steps"]
        if all(step["reused"] for step in planned if step["action"]["kind"] == "compile"):
            return options
    pytest.skip(
        f"no CUDA backend was compiled here: `build --target {CUDA} {' '.join(REDUCED)}` puts it into the cache"
    )


@pytest.fixture(scope="module")
def artifacts(user: CommandLine, options: tuple[str, ...]) -> dict[str, dict]:
    user.ok("build", "--target", f"{CUDA},{AVX2}", *options)
    manifest = json.loads((user.home / "dist" / "manifest.json").read_text())
    return {artifact["accel"]: artifact for artifact in manifest["artifacts"]}


@pytest.fixture(scope="module")
def unpacked(user: CommandLine, artifacts: dict[str, dict]) -> Path:
    into = user.home / "unpacked"
    user.ok("unpack", user.home / "dist" / artifacts["cuda-13.0"]["url"], "--to", into)
    return into


def test_it_has_code_for_the_gpus_that_were_asked_for_and_no_others(artifacts):
    assert artifacts["cuda-13.0"]["requires"]["gpu_architectures"] == ["sm_86"]
    assert artifacts["cuda-13.0"]["requires"]["driver"] == "580"


def test_core_and_backend_of_the_processor_are_those_of_its_own_bundle(artifacts):
    layers = {accel: {one["name"]: one["tree_sha256"] for one in a["layers"]} for accel, a in artifacts.items()}
    for name in ("core", "avx2"):
        assert layers["cuda-13.0"][name] == layers["avx2"][name]


def test_without_a_driver_the_programs_start_and_list_no_gpu(unpacked):
    argv = [unpacked / "bin" / "llama-bench", "--list-devices"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert "loaded CPU backend" in done.stderr
    assert "CUDA" not in done.stdout
