"""llama-cpp-python for real: its wheel compiled here, in a clean environment with a real model, and as a bundle.

Slow without a warm cache (minutes: it compiles llama.cpp), so it uses the cache folder of whoever runs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.simulators.command_line import CommandLine
from tests.simulators.kept_cache import CACHE_DIR, MODEL_SHA256, user_with_kept_cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> CommandLine:
    home = tmp_path_factory.mktemp("llama-cpp-python")
    return user_with_kept_cache(home)


@pytest.fixture(scope="module")
def made(user: CommandLine) -> dict:
    return user.json("wheel", "build", "llama-cpp-python", "--bundle", "dist")


def test_it_generated_with_a_real_model_in_a_clean_environment(made):
    assert made["proof"]["generated_tokens"] >= 16
    assert MODEL_SHA256 in made["proof"]["model"]


def test_its_options_are_those_of_llama_cpp_and_of_the_accelerator(made):
    options = made["options"]
    assert {options[f"GGML_{name}"] for name in ("SSE42", "AVX", "AVX2", "FMA", "F16C", "BMI2")} == {"ON"}
    assert (options["GGML_NATIVE"], options["GGML_RPC"], options["GGML_BACKEND_DL"]) == ("OFF", "OFF", "OFF")
    assert made["requires"]["cpu"] == ["avx", "avx2", "bmi2", "f16c", "fma", "sse4.2"]


def test_its_tag_is_true(made):
    argv = [sys.executable, "-m", "auditwheel", "show", "--json", made["file"]]
    said = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    assert (said["overall_tag"], said["external_libs"]) == (made["tag"], {})


def test_each_library_is_in_it_once_beside_the_licenses(made):
    with zipfile.ZipFile(made["file"]) as wheel:
        names = wheel.namelist()
    libraries = sorted(Path(name).name for name in names if ".so" in name)
    assert libraries == ["libggml-base.so", "libggml-cpu.so", "libggml.so", "libllama.so", "libmtmd.so"]
    assert not [name for name in names if name.startswith(("include/", "lib/", "bin/"))]
    assert any(name.endswith("licenses/vendor/llama.cpp/LICENSE") for name in names)


def test_made_anew_it_is_the_same_to_the_byte(user, made):
    steps = user.json("wheel", "build", "llama-cpp-python", "--dry-run")["steps"]
    key = next(step["key"] for step in steps if step["name"].startswith("wheel "))
    kept = [path for path in CACHE_DIR.glob("results/**/*") if path.is_file() and key in path.name]
    assert kept
    for path in kept:
        path.unlink()
    again = user.json("wheel", "build", "llama-cpp-python", "--output", "again")
    assert again["sha256"] == made["sha256"]


def test_as_a_bundle_it_serves(user, made):
    (artifact,) = json.loads((user.home / "dist" / "manifest.json").read_text())["artifacts"]
    assert (artifact["engine"], artifact["accel"]) == ("llama-cpp-python", "avx2")
    assert artifact["requires"]["cpu"] == made["requires"]["cpu"]
    if artifact["proof"]["level"] == "run":  # a Python 3.11 is on the PATH
        assert artifact["proof"]["generated_tokens"] >= 16
        assert artifact["proof"]["devices"][0].startswith("CPU: ")
