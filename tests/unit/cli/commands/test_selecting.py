"""``select`` and ``explain``, over recorded hosts and this one."""

from __future__ import annotations

import json

import pytest

from pipeline.model.manifest_document import write_manifest
from tests.simulators.variants import CPU_HOST, RTX_4090, VULKAN, artifact, requires


@pytest.fixture
def manifest(tmp_path):
    """Return a manifest with variants for many hosts."""
    offered = [artifact(accel) for accel in ("cpu", "avx2", "cuda-12.4", "cuda-13.0", "vulkan", "rocm-7.14", "sycl")]
    offered += [artifact("metal", platform="macos-arm64"), artifact("cpu", platform="windows-x86_64")]
    path = tmp_path / "manifest.json"
    path.write_bytes(write_manifest(offered, release="2026.11.0", created="2026-11-22T00:00:00Z"))
    return path


@pytest.fixture
def recorded(tmp_path):
    """Return a function that records facts in a file."""

    def record(facts):
        path = tmp_path / "facts.json"
        path.write_text(facts.model_dump_json())
        return path

    return record


def test_select_names_the_variant_first_and_then_every_other_with_its_reason(user, manifest, recorded):
    lines = user.ok("select", "--manifest", manifest, "--host-facts", recorded(RTX_4090)).splitlines()
    assert lines[0] == "llama.cpp/linux-x86_64-cuda-12.4 b1"
    assert "not llama.cpp/linux-x86_64-cpu b1: it fits, and cuda-12.4 is preferred" in lines
    assert "not llama.cpp/linux-x86_64-vulkan b1: no Vulkan loader was found" in lines
    assert not [line for line in lines if "macos" in line or "windows" in line]
    assert len(lines) == 2 + 6


def test_explain_shows_the_host_and_one_line_a_reason(user, manifest, recorded):
    out = user.ok("explain", "--manifest", manifest, "--host-facts", recorded(RTX_4090))
    assert "570.86.15: NVIDIA GeForce RTX 4090 (compute capability 8.9)" in out
    assert "not signed" in out
    rows = [line.split(maxsplit=3) for line in out.splitlines() if "llama.cpp/" in line]
    assert rows[0] == ["chosen", "llama.cpp/linux-x86_64-cuda-12.4", "b1", "it fits, and is preferred over avx2, cpu"]
    assert [row[0] for row in rows].count("no") == 4


@pytest.mark.parametrize("command", ["select", "explain"])
def test_what_a_bundle_has_code_for_is_told_where_it_decides(user, tmp_path, recorded, command):
    old = artifact("cuda-12.4", needs=requires(gpu_architectures=("sm_90a", "compute_120")))
    path = tmp_path / "measured.json"
    path.write_bytes(write_manifest([artifact("cpu"), old], release="2026.11.0", created="2026-11-22T00:00:00Z"))
    out = user.ok(command, "--manifest", path, "--host-facts", recorded(RTX_4090))
    said = "it has code for sm_90a, compute_120, NVIDIA GeForce RTX 4090 has compute capability 8.9"
    assert said in " ".join(out.split())


@pytest.mark.parametrize("command", ["select", "explain"])
def test_the_document_has_the_choice_the_rejections_and_the_host(user, manifest, recorded, command):
    found = user.json(command, "--manifest", manifest, "--host-facts", recorded(RTX_4090))
    assert found["chosen"]["target"] == "llama.cpp/linux-x86_64-cuda-12.4"
    assert found["chosen"]["family"] == "cuda"
    assert len(found["rejected"]) == 8
    assert all(rejected["reasons"] for rejected in found["rejected"])
    assert found["host"]["nvidia_driver"] == "570.86.15"
    assert found["signed"] is False


def test_a_gpu_that_will_not_be_used_is_warned_of_and_fails_where_one_is_required(user, manifest, recorded):
    old = RTX_4090.model_copy(update={"nvidia_driver": "470.182.03"})
    arguments = ("select", "--manifest", manifest, "--host-facts", recorded(old))
    assert user.ok(*arguments).startswith("llama.cpp/linux-x86_64-cpu b1\n")
    assert "warning: this machine has NVIDIA GeForce RTX 4090, which will NOT be used" in user.err
    assert "cuda-12.4 b1: CUDA 12.4 needs NVIDIA driver 525 or newer, this is 470.182.03" in user.err
    assert user.run(*arguments, "--require-accel") == 10
    assert "CUDA 12.4 needs NVIDIA driver 525" in user.err
    assert user.run(*arguments, "--require-accel", "--json") == 10
    assert json.loads(user.out)["chosen"]["accel"] == "cpu"


def test_a_required_accelerator_that_is_there_changes_nothing(user, manifest, recorded):
    facts = recorded(CPU_HOST.model_copy(update=VULKAN))
    out = user.ok("select", "--manifest", manifest, "--host-facts", facts, "--require-accel")
    assert out.startswith("llama.cpp/linux-x86_64-vulkan b1\n")
    assert user.err == ""


def test_nothing_that_fits_exits_3_with_all_reasons(user, manifest, recorded):
    facts = recorded(CPU_HOST.model_copy(update={"platform": "linux-arm64"}))
    assert user.run("select", "--manifest", manifest, "--host-facts", facts) == 3
    assert "llama.cpp/linux-x86_64-cpu b1: it is for linux-x86_64, this is linux-arm64" in user.out
    assert "llama.cpp/" not in user.err
    assert user.run("explain", "--manifest", manifest, "--host-facts", facts, "--json") == 3
    found = json.loads(user.out)
    assert found["chosen"] is None
    assert len(found["rejected"]) == 9


def test_this_machine_can_be_recorded_and_read_again(user, manifest, tmp_path):
    path = tmp_path / "this.json"
    path.write_text(user.ok("select", "--print-host-facts"))
    assert json.loads(path.read_text()) == user.json("select", "--print-host-facts")
    recorded = user.run("explain", "--manifest", manifest, "--host-facts", path, "--json"), user.out
    assert recorded == (user.run("explain", "--manifest", manifest, "--json"), user.out)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("{", 7, "malformed"),
        ('{"platform": "linux-x86_64", "platform": "linux-arm64"}', 7, "twice"),
        ("{}", 7, "platform"),
    ],
)
def test_a_malformed_record_exits_7(user, manifest, tmp_path, text, code, named):
    path = tmp_path / "facts.json"
    path.write_text(text)
    assert user.run("select", "--manifest", manifest, "--host-facts", path) == code
    assert named in user.err


def test_a_record_is_closed_and_its_platform_known(user, manifest, tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({**CPU_HOST.model_dump(mode="json"), "gpu": "yes"}))
    assert user.run("select", "--manifest", manifest, "--host-facts", path) == 7
    assert "gpu" in user.err
    path.write_text(CPU_HOST.model_copy(update={"platform": "beos-x86"}).model_dump_json())
    assert user.run("select", "--manifest", manifest, "--host-facts", path) == 7
    assert "beos-x86" in user.err


def test_a_record_or_a_manifest_that_is_not_there_exits_2(user, manifest):
    assert user.run("select", "--manifest", manifest, "--host-facts", "nowhere") == 2
    assert user.run("select", "--manifest", "nowhere") == 2
    assert user.run("select") == 2
    assert "--from" in user.err
    assert user.run("select", "--from", "x", "--manifest", manifest) == 2


def test_a_signed_repository_is_chosen_from_and_a_changed_one_is_not(user, world, recorded):
    world.publish()
    arguments = ("select", "--from", world.repository, "--host-facts", recorded(CPU_HOST))
    arguments += ("--trusted-root", world.keys_dir / "root.json")
    found = user.json(*arguments)
    assert (found["chosen"]["version"], found["signed"]) == ("1", True)
    for path in (world.repository / "blobs").rglob("*"):
        if path.is_file() and path.read_bytes()[:1] == b"{":
            path.write_bytes(path.read_bytes().replace(b'"1"', b'"2"'))
    assert user.run(*arguments) == 7


def test_the_dist_folder_is_the_default(user, world, recorded, monkeypatch):
    monkeypatch.chdir(world.folder)
    assert user.ok("select", "--host-facts", recorded(CPU_HOST)).startswith("llama.cpp/linux-x86_64-cpu 1\n")
