"""Output of nvidia-smi and of the kernel module, in the forms that real drivers write.

The query's lines follow ``nvidia-smi --query-gpu=driver_version,memory.total,compute_cap,name
--format=csv,noheader,nounits`` as described by ``nvidia-smi --help-query-gpu``; the failures are texts of nvidia-smi;
the lines of /proc are those of the closed and of the open kernel module. The values are made up.
"""

from __future__ import annotations

import os

import pytest

from pipeline.model.host import NvidiaGpu
from pipeline.system.nvidia_probe import NvidiaFound, parse_proc_version, parse_smi, probe_nvidia
from tests.simulators import fake_drivers

OLD_MODULE = """\
NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023
GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)
"""
OPEN_MODULE = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  565.57.01  Release Build  (dvs-builder@U16-I3)  Thu Oct 10
GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)
"""


def test_each_line_is_a_gpu():
    text = "570.86.15, 24564, 8.9, NVIDIA GeForce RTX 4090\n570.86.15, 81559, 9.0, NVIDIA H100 80GB HBM3\n"
    assert parse_smi(text) == NvidiaFound(
        "570.86.15",
        (
            NvidiaGpu(name="NVIDIA GeForce RTX 4090", compute_capability="8.9", memory_bytes=24564 << 20),
            NvidiaGpu(name="NVIDIA H100 80GB HBM3", compute_capability="9.0", memory_bytes=81559 << 20),
        ),
    )


def test_a_value_that_the_driver_does_not_have_is_not_known():
    found = parse_smi("580.95.05, [N/A], 12.1, NVIDIA GB10\n")
    assert found.gpus == (NvidiaGpu(name="NVIDIA GB10", compute_capability="12.1", memory_bytes=0),)
    assert parse_smi("470.182.03, 11178, 0, GeForce GTX 1080 Ti\n").gpus[0].compute_capability is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No devices were found\n",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest\n",
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.90\n",
        'Field "compute_cap" is not a valid field to query.\n',
        "not.a.version, 1, 8.9, X\n",
        "570.86.15, 24564, 8.9, \n",
    ],
)
def test_what_is_no_gpu_is_none(text):
    assert parse_smi(text) == NvidiaFound()


def test_warnings_between_gpus_are_passed_over():
    text = "535.104.05, 15360, 7.5, Tesla T4\nWARNING: infoROM is corrupted at gpu 0000:00:1E.0\n"
    assert [gpu.name for gpu in parse_smi(text).gpus] == ["Tesla T4"]


def test_a_machine_without_end_is_cut_off():
    assert len(parse_smi("535.104.05, 15360, 7.5, Tesla T4\n" * 1000).gpus) == 64


@pytest.mark.parametrize(("text", "version"), [(OLD_MODULE, "535.104.05"), (OPEN_MODULE, "565.57.01"), ("", None)])
def test_the_kernel_module_says_its_version(text, version):
    assert parse_proc_version(text) == version


@pytest.fixture
def machine(tmp_path):
    """Return a function that makes nvidia-smi say something, and the environment and files of that machine."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def says(script: str, *, module: str = "") -> dict[str, object]:
        path = folder / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        if module:
            (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
            (tmp_path / "proc/driver/nvidia/version").write_text(module)
        env = {"PATH": f"{folder}:{os.environ['PATH']}", "LD_LIBRARY_PATH": str(tmp_path / "lib")}
        return {"env": env, "root": tmp_path}

    return says


def test_an_old_driver_is_asked_again_without_the_field_it_does_not_know(machine):
    script = """case "$*" in *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2 ;; esac
    echo '470.182.03, 11178, 0, GeForce GTX 1080 Ti'"""
    found = probe_nvidia(**machine(script))
    assert found == ("470.182.03", (NvidiaGpu(name="GeForce GTX 1080 Ti", memory_bytes=11178 << 20),), "")


def test_a_failing_tool_is_a_fault_and_the_kernel_s_version_is_kept(machine):
    script = "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18"
    found = probe_nvidia(**machine(script, module=OLD_MODULE), has_library=False)
    assert (found.driver, found.gpus) == ("535.104.05", ())
    assert found.fault == (
        "nvidia-smi ended with code 18 and said: Failed to initialize NVML: Driver/library version mismatch"
    )


def test_the_driver_s_library_answers_where_the_tool_does_not(machine, tmp_path):
    fake_drivers.make_library(tmp_path / "lib", "libcuda.so.1", fake_drivers.CUDA)
    found = probe_nvidia(**machine("exit 9", module=OPEN_MODULE))
    assert (found.driver, found.fault) == ("565.57.01", "")
    assert [gpu.compute_capability for gpu in found.gpus] == ["9.0"]


def test_a_module_whose_gpus_nothing_lists_is_a_fault(tmp_path):
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(OPEN_MODULE)
    found = probe_nvidia(env={"PATH": "/nonexistent"}, root=tmp_path, has_library=False)
    assert found.driver == "565.57.01"
    assert "nvidia-smi" in found.fault


def test_a_machine_without_any_of_it_has_no_gpu_and_no_fault(tmp_path):
    env = {"PATH": str(tmp_path), "LD_LIBRARY_PATH": str(tmp_path)}
    assert probe_nvidia(env=env, root=tmp_path, has_library=False) == (None, (), "")
