"""The kinds beside CUDA: which devices count, and what is said of those that do not."""

from __future__ import annotations

import pytest

from pipeline.accelerators import metal, opencl, openvino, rocm, sycl, vulkan
from pipeline.model.host import Adapter, AmdGpu, ApiDevice, ProbeFault, is_gpu
from tests.simulators.variants import CPU_HOST, requires

LLVMPIPE = ApiDevice(name="llvmpipe (LLVM 17.0.6, 256 bits)", kind="cpu", api="1.3.274")
RADEON = ApiDevice(name="AMD Radeon RX 7900 XTX (RADV NAVI31)", kind="discrete", api="1.3.274")


def host(**changes):
    return CPU_HOST.model_copy(update=changes)


def amd(*gfx, **changes):
    return host(amd_gpus=tuple(AmdGpu(gfx=name) for name in gfx), **changes)


@pytest.mark.parametrize(("architectures", "gfx", "fits"), [
    ((), ("gfx906",), False),
    ((), ("gfx90c",), False),
    ((), ("gfx90c", "gfx1100"), True),
    ((), ("gfx90a",), True),
    (("gfx1030", "gfx1100"), ("gfx1100",), True),
    (("gfx1030",), ("gfx1100",), False),
    (("gfx1100",), ("gfx1036", "gfx1100"), True),
    (("gfx90a:xnack-",), ("gfx90a",), True),
    (("gfx11-generic",), ("gfx1151",), True),
    (("gfx11-generic",), ("gfx1201",), False),
    (("gfx10-3-generic",), ("gfx1031",), True),
    (("gfx9-4-generic",), ("gfx942",), True),
])  # fmt: skip
def test_rocm_needs_code_for_a_gpu_of_the_machine(architectures, gfx, fits):
    assert (rocm.misfits("rocm-7.14", requires(gpu_architectures=architectures), amd(*gfx)) == ()) is fits


def test_rocm_without_a_list_of_its_own_is_held_to_what_upstream_builds_for():
    (reason,) = rocm.misfits("rocm-7.14", requires(), amd("gfx90c"))
    assert reason.startswith("upstream's ROCm builds have code for gfx908, gfx90a, gfx942, gfx950, gfx1010, ")
    assert reason.endswith(", this machine has gfx90c")


def test_rocm_names_what_it_has_and_what_the_machine_has():
    assert rocm.misfits("rocm-7.14", requires(gpu_architectures=("gfx1030",)), amd("gfx1100", "gfx1100")) == (
        "it has code for gfx1030, this machine has gfx1100",
    )
    card = (Adapter(vendor="amd", name="1002:744c"),)
    assert rocm.misfits("rocm-7.14", requires(), host(adapters=card)) == (
        "no AMD GPU with a working compute driver was found; the machine has 1002:744c",
    )


def test_rocm_does_not_fit_where_the_device_cannot_be_opened():
    fault = ProbeFault(probe="amd", reason="/dev/kfd cannot be opened")
    assert rocm.misfits("rocm-7.14", requires(), amd("gfx1100", probe_faults=(fault,))) == (
        "/dev/kfd cannot be opened",
    )


@pytest.mark.parametrize(("changes", "reason"), [
    ({}, "no Vulkan loader was found"),
    ({"vulkan_loader": True}, "no GPU with a Vulkan driver was found"),
    ({"vulkan_loader": True, "vulkan_devices": (LLVMPIPE,)},
     f"no GPU with a Vulkan driver was found; Vulkan has only {LLVMPIPE.name}, which computes on the processor"),
    ({"vulkan_loader": True, "vulkan_devices": (ApiDevice(name="HD 4000", kind="integrated", api="1.1.102"),)},
     "it needs Vulkan 1.2, HD 4000 offers 1.1.102"),
    ({"vulkan_loader": True, "probe_faults": (ProbeFault(probe="vulkan", reason="its driver crashed (signal 11)"),)},
     "GPU with a Vulkan driver could not be looked for: its driver crashed (signal 11)"),
])  # fmt: skip
def test_vulkan_needs_a_loader_and_a_gpu_behind_it(changes, reason):
    assert vulkan.misfits("vulkan", requires(), host(**changes)) == (reason,)


@pytest.mark.parametrize("kind", ["discrete", "integrated", "virtual"])
def test_vulkan_takes_any_gpu_beside_a_software_device(kind):
    gpu = RADEON.model_copy(update={"kind": kind})
    assert vulkan.misfits("vulkan", requires(), host(vulkan_loader=True, vulkan_devices=(LLVMPIPE, gpu))) == ()


@pytest.mark.parametrize("name", ["llvmpipe (LLVM 17)", "SwiftShader Device (Subzero)", "Mesa lavapipe"])
def test_a_software_device_is_no_gpu_whatever_it_calls_its_kind(name):
    assert not is_gpu(ApiDevice(name=name, kind="discrete"))


def test_sycl_needs_a_gpu_behind_level_zero():
    npu = ApiDevice(name="Intel(R) AI Boost", kind="accelerator")
    assert sycl.misfits("sycl", requires(), host()) == ("no Level Zero loader was found",)
    found = sycl.misfits("sycl", requires(), host(level_zero_loader=True, level_zero_devices=(npu,)))
    assert found == ("no GPU with a Level Zero driver was found",)


def test_opencl_serves_adreno_and_intel_alone():
    geforce = ApiDevice(name="NVIDIA GeForce RTX 4090", kind="gpu")
    adreno = ApiDevice(name="QUALCOMM Adreno(TM) X1-85 GPU", kind="gpu")
    assert opencl.misfits("opencl", requires(), host()) == ("no OpenCL loader was found",)
    found = opencl.misfits("opencl", requires(), host(opencl_loader=True, opencl_devices=(geforce,)))
    assert found == ("the backend serves Adreno and Intel GPUs, this machine has NVIDIA GeForce RTX 4090",)
    assert opencl.misfits("opencl", requires(), host(opencl_loader=True, opencl_devices=(geforce, adreno))) == ()
    processor = ApiDevice(name="pthread-haswell", kind="cpu")
    found = opencl.misfits("opencl", requires(), host(opencl_loader=True, opencl_devices=(processor,)))
    assert found == ("no GPU with an OpenCL driver was found",)


def test_openvino_needs_an_intel_gpu():
    geforce = ApiDevice(name="NVIDIA GeForce RTX 4090", kind="gpu")
    found = openvino.misfits("openvino-2026.0", requires(), host(opencl_loader=True, opencl_devices=(geforce,)))
    assert found == ("no Intel GPU with an OpenCL driver was found",)
    assert openvino.misfits("openvino-2026.0", requires(), host()) == ("no OpenCL loader was found",)


def test_metal_is_there_or_not():
    assert metal.misfits("metal", requires(), host(metal=True)) == ()
    assert metal.misfits("metal", requires(), host()) == ("it needs Metal on Apple silicon",)
