"""GPUs through OpenCL: upstream's backend is written for Qualcomm's Adreno."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_recipe, unseen
from pipeline.model.host import ApiDevice, HostFacts, is_gpu

if TYPE_CHECKING:
    from pipeline.model.manifest import Requires

# ggml/src/ggml-opencl/ggml-opencl.cpp, ggml_cl2_init: every other GPU is "unsupported" and the device is dropped.
_SUPPORTED = ("adreno", "qualcomm", "intel")


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why no device of the host runs an OpenCL build; one device that does is enough."""
    if not facts.opencl_loader:
        return (unseen(facts, "opencl", what="OpenCL loader"),)
    gpus = [device for device in facts.opencl_devices if is_gpu(device)]
    if not gpus:
        return (unseen(facts, "opencl", what="GPU with an OpenCL driver"),)
    if not any(name in gpu.name.lower() for gpu in gpus for name in _SUPPORTED):
        return (f"the backend serves Adreno and Intel GPUs, this machine has {', '.join(gpu.name for gpu in gpus)}",)
    return ()


KIND = AcceleratorKind(
    families=("opencl",),
    is_gpu=True,
    preference=20,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe(
        "opencl", platform="windows-arm64", device="^GPUOpenCL", option="GGML_OPENCL", output="ggml-opencl.dll"
    ),
    example_accel="opencl",
    example_host=HostFacts(
        platform="windows-arm64",
        system="example",
        cpu_count=1,
        cpu_features=(),
        glibc=None,
        memory_bytes=0,
        windows="10.0.26100",
        opencl_loader=True,
        opencl_devices=(ApiDevice(name="QUALCOMM Adreno(TM) X1-85 GPU", kind="gpu", api="3.0"),),
    ),
)
