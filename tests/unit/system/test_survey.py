from __future__ import annotations

import os

import pytest

from pipeline.accelerators.interface import example_mac
from pipeline.model.host import HostFacts, ProbeFault
from pipeline.system.host import LocalHost
from pipeline.system.processes import ProcessRunner
from pipeline.system.survey import survey
from tests.simulators import fake_drivers
from tests.simulators.engine_world import HOST


@pytest.fixture
def env(tmp_path):
    (tmp_path / "bin").mkdir()
    return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(tmp_path / "lib")}


def test_every_vendor_s_answer_ends_up_in_the_facts(tmp_path, env):
    for name, source in (
        ("libvulkan.so.1", fake_drivers.VULKAN),
        ("libze_loader.so.1", fake_drivers.LEVEL_ZERO),
        ("libOpenCL.so.1", fake_drivers.OPENCL),
    ):
        fake_drivers.make_library(tmp_path / "lib", name, source)
    smi = tmp_path / "bin/nvidia-smi"
    smi.write_text("#!/bin/sh\necho '570.86.15, 24564, 8.9, NVIDIA GeForce RTX 4090'\n")
    smi.chmod(0o755)
    facts = survey(HOST, env=env, root=tmp_path)
    assert facts.probe_faults == ()
    assert facts.nvidia_driver == "570.86.15"
    assert [gpu.compute_capability for gpu in facts.nvidia_gpus] == ["8.9"]
    assert [device.kind for device in facts.vulkan_devices] == ["discrete", "cpu"]
    assert [device.name for device in facts.level_zero_devices] == ["Intel(R) Arc(TM) A770 Graphics"]
    assert [device.api for device in facts.opencl_devices] == ["3.0"]
    assert (facts.vulkan_loader, facts.level_zero_loader, facts.opencl_loader) == (True, True, True)
    assert facts.platform == HOST.platform
    assert HostFacts.model_validate_json(facts.model_dump_json()) == facts


def test_one_probe_that_crashes_is_said_and_hides_nothing_of_the_others(tmp_path, env):
    fake_drivers.make_library(tmp_path / "lib", "libvulkan.so.1", fake_drivers.CRASHING_VULKAN)
    fake_drivers.make_library(tmp_path / "lib", "libOpenCL.so.1", fake_drivers.OPENCL)
    facts = survey(HOST, env=env, root=tmp_path)
    assert ProbeFault(probe="vulkan", reason="its driver crashed (signal 11)") in facts.probe_faults
    assert len(facts.opencl_devices) == 1


@pytest.mark.parametrize(
    ("source", "has_metal", "fault"),
    [
        (fake_drivers.METAL, True, False),
        (fake_drivers.NO_DEVICE_METAL, False, False),
        ("int other;", True, True),
        (None, False, False),
    ],
    ids=["device", "virtual machine", "not to be asked", "no framework"],
)
def test_a_mac_has_metal_where_metal_lists_a_device_or_could_not_be_asked(tmp_path, env, source, has_metal, fault):
    if source:
        fake_drivers.make_library(tmp_path / "lib", "libMetal.so", source)
    facts = survey(example_mac(), env=env, root=tmp_path)
    assert (facts.metal, any(found.probe == "metal" for found in facts.probe_faults)) == (has_metal, fault)


def test_no_program_is_started_for_a_loader_that_is_known_not_to_be_there(tmp_path):
    nowhere = {"PATH": str(tmp_path)}
    facts = survey(HOST.model_copy(update={"libraries": ("libc.so.6",)}), env=nowhere, root=tmp_path)
    assert (facts.vulkan_loader, facts.level_zero_loader, facts.opencl_loader) == (False, False, False)
    assert facts.probe_faults == ()


def test_this_machine_is_surveyed_once_and_without_any_exception():
    host = LocalHost(ProcessRunner(), dict(os.environ))
    facts = host.survey()
    assert host.survey() is facts
    assert facts.platform == host.facts().platform
