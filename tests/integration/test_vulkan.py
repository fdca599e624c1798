"""A backend for GPUs on a machine without one: built here, and run on a Vulkan device that computes on the processor.

Slow without a warm cache, as test_llama_cpp.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.app.services import host
from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import load
from tests.simulators.command_line import CommandLine
from tests.simulators.kept_cache import CACHE_DIR, user_with_kept_cache

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
VULKAN, CPU = "linux-x86_64-vulkan", "linux-x86_64-cpu"


def sdk() -> Path | None:
    """Return a Vulkan SDK where the system's own is too old; made once, kept in the cache folder."""
    settings = load_settings(Flags())
    toolkit = load(settings.recipes_dir).accelerator("vulkan").toolkit
    assert toolkit is not None
    places = host(settings).toolkits(toolkit, "")
    if any(not place.lacking and place.version and int(place.version) >= int(toolkit.minimum or 0) for place in places):
        return None
    folder = CACHE_DIR / "toolkits" / "vulkan-trixie"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        outcome = subprocess.run([PROJECT / "ci/toolkits/vulkan", folder], capture_output=True, text=True, check=False)
        if outcome.returncode != 0:
            pytest.skip(f"no headers of Vulkan 1.3.272 or later here, and none to be had: {outcome.stderr.strip()}")
    return folder


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> CommandLine:
    if shutil.which("glslc") is None or not host(load_settings(Flags())).survey().vulkan_devices:
        pytest.skip("no glslc or no Vulkan device: Debian, Ubuntu: apt install glslc mesa-vulkan-drivers; .ci/run does")
    home = tmp_path_factory.mktemp("vulkan")
    return user_with_kept_cache(home)


@pytest.fixture(scope="module")
def artifacts(user: CommandLine) -> dict[str, dict]:
    folder = sdk()
    toolkit = () if folder is None else ("--toolkit", str(folder))
    user.ok("build", "--target", f"{VULKAN},{CPU}", "--source", "build", "--prove", "run", *toolkit)
    manifest = json.loads((user.home / "dist" / "manifest.json").read_text())
    return {artifact["accel"]: artifact for artifact in manifest["artifacts"]}


def test_it_generated_on_a_vulkan_device(artifacts):
    proof = artifacts["vulkan"]["proof"]
    assert [device for device in proof["devices"] if device.startswith("Vulkan0: ")]
    assert proof["generated_tokens"] >= 16


def test_its_core_and_its_backend_of_the_processor_are_those_of_the_processors_bundle(artifacts):
    trees = {
        accel: {x["name"]: x["tree_sha256"] for x in a["layers"] if not x["optional"]} for accel, a in artifacts.items()
    }
    assert list(trees["vulkan"]) == ["core", "cpu", "vulkan"]
    assert {name: trees["vulkan"][name] for name in ("core", "cpu")} == trees["cpu"]


def test_the_loader_is_the_hosts_to_bring(artifacts):
    assert "libvulkan.so.1" in artifacts["vulkan"]["requires"]["libraries"]
    assert artifacts["vulkan"]["requires"]["gpu_architectures"] == []


def test_it_stands_beside_the_processors_bundle_in_a_check_for_gpus(user, artifacts, tmp_path):
    assert artifacts
    report = tmp_path / "report.json"
    argv = [PROJECT / "ci/gpu_check", "--dist", user.home / "dist", "--environment", "GGML_VK_VISIBLE_DEVICES=0"]
    outcome = subprocess.run([*argv, "--quick", "--report", report], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    found = json.loads(report.read_text())
    assert found["gpu"]["generated_per_second"] > 0
    assert [device for device in found["gpu"]["devices"] if device.startswith("Vulkan0: ")]
    assert "generated, tokens/s" in outcome.stdout
