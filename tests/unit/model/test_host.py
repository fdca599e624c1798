from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.model.host import Adapter, AmdGpu, ApiDevice, HostFacts, NvidiaGpu
from tests.simulators.variants import CPU_HOST, RTX_4090


def test_what_a_driver_calls_a_gpu_stands_for_its_adapter():
    assert RTX_4090.gpus() == ("NVIDIA GeForce RTX 4090",)
    assert CPU_HOST.model_copy(update={"adapters": RTX_4090.adapters}).gpus() == ("NVIDIA 10de:2684",)


def test_gpus_of_every_vendor_are_named_once():
    radeon = ApiDevice(name="AMD Radeon RX 7900 XTX", kind="discrete")
    facts = RTX_4090.model_copy(update={"amd_gpus": (AmdGpu(gfx="gfx1100"),) * 2, "vulkan_devices": (radeon,)})
    assert facts.gpus() == ("NVIDIA GeForce RTX 4090", "AMD gfx1100")
    assert CPU_HOST.model_copy(update={"vulkan_devices": (radeon,)}).gpus() == ("AMD Radeon RX 7900 XTX",)
    assert CPU_HOST.model_copy(update={"metal": True}).gpus() == ("Apple GPU",)
    assert CPU_HOST.gpus() == ()


@pytest.mark.parametrize("value", ["8", "8.10", "eight", "", "8.9\n"])
def test_a_compute_capability_has_two_numbers(value):
    with pytest.raises(ValidationError):
        NvidiaGpu(name="GPU", compute_capability=value)


@pytest.mark.parametrize("value", ["1100", "gfx", "gfx11xx", "gfx1100:xnack+"])
def test_a_gfx_name_is_one(value):
    with pytest.raises(ValidationError):
        AmdGpu(gfx=value)


@pytest.mark.parametrize(
    ("vendor", "name", "shown"),
    [
        ("amd", "AMD Radeon RX 7900", "AMD Radeon RX 7900"),
        ("amd", "1002:744c", "AMD 1002:744c"),
        ("nvidia", "NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("intel", "Intel(R) Arc(TM) A770", "Intel(R) Arc(TM) A770"),
    ],
)
def test_a_gpus_vendor_is_named_once(vendor, name, shown):
    facts = CPU_HOST.model_copy(update={"adapters": (Adapter(vendor=vendor, name=name),)})
    assert facts.gpus() == (shown,)


@pytest.mark.parametrize("wrong", [{"glibc": "two"}, {"glibc": ""}, {"cpu_count": 0}, {"memory_bytes": -1}])
def test_facts_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        HostFacts.model_validate({**CPU_HOST.model_dump(), **wrong})
