"""Intel GPUs through SYCL, which reaches them by Level Zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_host, example_recipe, unseen
from pipeline.model.host import Adapter, ApiDevice, HostFacts, is_gpu

if TYPE_CHECKING:
    from pipeline.model.manifest import Requires


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why no device of the host runs a SYCL build; one device that does is enough."""
    if not facts.level_zero_loader:
        return (unseen(facts, "level-zero", what="Level Zero loader"),)
    if not any(is_gpu(device) for device in facts.level_zero_devices):
        return (unseen(facts, "level-zero", what="GPU with a Level Zero driver"),)
    return ()


KIND = AcceleratorKind(
    families=("sycl",),
    is_gpu=True,
    preference=40,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe(
        "sycl", platform="linux-x86_64", device="^SYCL0", option="GGML_SYCL", output="libggml-sycl.so"
    ),
    example_accel="sycl",
    example_host=example_host(
        adapters=(Adapter(vendor="intel", name="8086:56a0"),),
        level_zero_loader=True,
        level_zero_devices=(ApiDevice(name="Intel(R) Arc(TM) A770 Graphics", kind="gpu"),),
    ),
)
