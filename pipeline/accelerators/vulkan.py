"""Any GPU through Vulkan: a loader, and a device that is no software rasterizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_host, example_recipe, unseen
from pipeline.model.host import ApiDevice, HostFacts, is_gpu
from pipeline.names import version_key

if TYPE_CHECKING:
    from pipeline.model.manifest import Requires

_LOWEST_API = "1.2"  # ggml/src/ggml-vulkan/ggml-vulkan.cpp refuses an instance below VK_API_VERSION_1_2


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why no device of the host runs a Vulkan build; one device that does is enough."""
    if not facts.vulkan_loader:
        return (unseen(facts, "vulkan", what="Vulkan loader"),)
    gpus = [device for device in facts.vulkan_devices if is_gpu(device)]
    if not gpus:
        reason = unseen(facts, "vulkan", what="GPU with a Vulkan driver")
        others = ", ".join(device.name for device in facts.vulkan_devices)
        return (f"{reason}; Vulkan has only {others}, which computes on the processor" if others else reason,)
    if all(gpu.api is not None and version_key(gpu.api) < version_key(_LOWEST_API) for gpu in gpus):
        offered = ", ".join(f"{gpu.name} offers {gpu.api}" for gpu in gpus)
        return (f"it needs Vulkan {_LOWEST_API}, {offered}",)
    return ()


KIND = AcceleratorKind(
    families=("vulkan",),
    is_gpu=True,
    preference=30,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe(
        "vulkan", platform="linux-x86_64", device="^Vulkan0", option="GGML_VULKAN", output="libggml-vulkan.so"
    ),
    example_accel="vulkan",
    example_host=example_host(
        vulkan_loader=True,
        vulkan_devices=(
            ApiDevice(name="AMD Radeon RX 7900 XTX (RADV NAVI31)", kind="discrete", api="1.3.274"),
            ApiDevice(name="llvmpipe (LLVM 17.0.6, 256 bits)", kind="cpu", api="1.3.274"),
        ),
    ),
)
