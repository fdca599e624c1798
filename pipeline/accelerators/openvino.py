"""Intel GPUs through OpenVINO; its own CPU device is no reason to take it over the CPU variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_host, example_recipe, unseen
from pipeline.model.host import Adapter, ApiDevice, HostFacts, is_gpu

if TYPE_CHECKING:
    from pipeline.model.manifest import Requires


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why no Intel GPU of the host is reached: OpenVINO's GPU plug-in uses OpenCL."""
    if not facts.opencl_loader:
        return (unseen(facts, "opencl", what="OpenCL loader"),)
    if not any(is_gpu(device) and "intel" in device.name.lower() for device in facts.opencl_devices):
        return (unseen(facts, "opencl", what="Intel GPU with an OpenCL driver"),)
    return ()


KIND = AcceleratorKind(
    families=("openvino",),
    is_gpu=True,
    preference=10,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe(
        "openvino", platform="linux-x86_64", device="^OPENVINO0", option="GGML_OPENVINO", output="libggml-openvino.so"
    ),
    example_accel="openvino-2026.0",
    example_host=example_host(
        adapters=(Adapter(vendor="intel", name="8086:56a0"),),
        opencl_loader=True,
        opencl_devices=(ApiDevice(name="Intel(R) Arc(TM) A770 Graphics", kind="gpu", api="3.0"),),
    ),
)
