"""Drivers that list devices, crash, hang, fail or babble, each behind the real loader's name."""

from __future__ import annotations

import os

import pytest

from pipeline.model.host import ApiDevice, NvidiaGpu
from pipeline.system.device_probes import probe_api, probe_cuda
from tests.simulators import fake_drivers


@pytest.fixture
def env(tmp_path):
    return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(tmp_path / "lib")}


def install(tmp_path, name, source):
    fake_drivers.make_library(tmp_path / "lib", name, source)


def test_vulkan_devices_are_listed_with_what_they_are(tmp_path, env):
    install(tmp_path, "libvulkan.so.1", fake_drivers.VULKAN)
    found = probe_api("vulkan", env=env)
    assert found == (
        True,
        (
            ApiDevice(name="AMD Radeon RX 7900 XTX (RADV NAVI31)", kind="discrete", api="1.3.274"),
            ApiDevice(name="llvmpipe (LLVM 17.0.6, 256 bits)", kind="cpu", api="1.3.274"),
        ),
        "",
    )


def test_level_zero_devices_are_listed(tmp_path, env):
    install(tmp_path, "libze_loader.so.1", fake_drivers.LEVEL_ZERO)
    devices = (ApiDevice(name="Intel(R) Arc(TM) A770 Graphics", kind="gpu"),)
    assert probe_api("level_zero", env=env) == (True, devices, "")


def test_opencl_devices_are_listed(tmp_path, env):
    install(tmp_path, "libOpenCL.so.1", fake_drivers.OPENCL)
    devices = (ApiDevice(name="Intel(R) Arc(TM) A770 Graphics", kind="gpu", api="3.0"),)
    assert probe_api("opencl", env=env) == (True, devices, "")


def test_cuda_devices_are_listed_by_the_driver_s_own_library(tmp_path, env):
    install(tmp_path, "libcuda.so.1", fake_drivers.CUDA)
    gpus = (NvidiaGpu(name="NVIDIA GH200 480GB", compute_capability="9.0", memory_bytes=1000),)
    assert probe_cuda(env=env) == (True, gpus, "")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (fake_drivers.CRASHING_VULKAN, "crashed (signal 11)"),
        (fake_drivers.HANGING_VULKAN, "did not answer within 2 s"),
        (fake_drivers.FAILING_VULKAN, "vkCreateInstance failed with -4"),
        (fake_drivers.BABBLING_VULKAN, "said too much"),
        ("int nothing;", "undefined symbol"),
    ],
    ids=["crash", "hang", "failure", "babble", "no such function"],
)
def test_a_driver_that_misbehaves_is_a_fault_and_not_absence(tmp_path, env, source, fault):
    install(tmp_path, "libvulkan.so.1", source)
    found = probe_api("vulkan", env=env, seconds=2)
    assert found.loader
    assert found.devices == ()
    assert fault in found.fault


def test_a_damaged_library_is_a_fault(tmp_path, env):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libvulkan.so.1").write_bytes(b"\x7fELF, or so it seems")
    found = probe_api("vulkan", env=env)
    assert found.loader
    assert "libvulkan.so.1" in found.fault


def test_a_loader_without_any_driver_has_no_devices_and_no_fault(tmp_path, env):
    install(tmp_path, "libvulkan.so.1", fake_drivers.NO_DRIVER_VULKAN)
    assert probe_api("vulkan", env=env) == (True, (), "")


def test_a_user_s_python_variables_do_not_reach_a_probe(tmp_path, env):
    (tmp_path / "ctypes.py").write_text("raise SystemExit(3)\n")
    install(tmp_path, "libvulkan.so.1", fake_drivers.NO_DRIVER_VULKAN)
    assert probe_api("vulkan", env={**env, "PYTHONPATH": str(tmp_path)}).fault == ""
