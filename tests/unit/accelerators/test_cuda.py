from __future__ import annotations

import pytest

from pipeline.accelerators.cuda import misfits
from pipeline.model.host import NvidiaGpu
from tests.simulators.variants import RTX_4090, requires


def host(*, driver="580.95.05", capability="8.9", platform="linux-x86_64"):
    gpu = NvidiaGpu(name="GPU", compute_capability=capability)
    return RTX_4090.model_copy(update={"platform": platform, "nvidia_driver": driver, "nvidia_gpus": (gpu,)})


FLOORS = [
    ("cuda-11.7", "linux-x86_64", "450.80.02", "450.57"),
    ("cuda-12.4", "linux-x86_64", "525.60.13", "524.99"),
    ("cuda-12.4", "windows-x86_64", "527.41", "527.37"),
    ("cuda-13.0", "linux-x86_64", "580.65.06", "575.57.08"),
    ("cuda-13.0", "windows-x86_64", "580.88", "580.65"),
]


@pytest.mark.parametrize(("accel", "platform", "enough", "too_old"), FLOORS)
def test_each_major_version_has_its_lowest_driver(accel, platform, enough, too_old):
    assert misfits(accel, requires(), host(driver=enough, platform=platform)) == ()
    (reason,) = misfits(accel, requires(), host(driver=too_old, platform=platform))
    assert reason.startswith(f"CUDA {accel.removeprefix('cuda-')} needs NVIDIA driver")
    assert reason.endswith(f"this is {too_old}")


def test_blackwell_needs_the_first_driver_that_knows_it():
    assert misfits("cuda-12.8", requires(), host(driver="570.86.10", capability="12.0")) == ()
    (reason,) = misfits("cuda-12.8", requires(), host(driver="565.57.01", capability="12.0"))
    assert reason == "GPU (compute capability 12.0) needs NVIDIA driver 570 or newer, this is 565.57.01"
    assert misfits("cuda-12.8", requires(), host(driver="565.57.01", capability="9.0")) == ()


@pytest.mark.parametrize(("accel", "capability", "fits"), [
    ("cuda-12.8", "5.0", True), ("cuda-12.8", "3.7", False),
    ("cuda-13.0", "7.5", True), ("cuda-13.0", "7.0", False), ("cuda-13.0", "12.1", True),
])  # fmt: skip
def test_a_major_version_covers_only_so_old_gpus(accel, capability, fits):
    assert (misfits(accel, requires(), host(capability=capability)) == ()) is fits


@pytest.mark.parametrize(("architectures", "capability", "fits"), [
    (("sm_80",), "8.6", True),
    (("sm_86",), "8.0", False),
    (("sm_80",), "9.0", False),
    (("sm_90a",), "9.0", True),
    (("sm_100a",), "10.3", False),
    (("sm_100f",), "10.3", True),
    (("compute_75",), "12.0", True),
    (("compute_90",), "8.9", False),
    (("compute_90a",), "9.0", True),
    (("compute_90a",), "10.0", False),
    (("compute_100f",), "10.3", True),
    (("compute_100f",), "12.0", False),
    (("sm_61", "sm_120"), "12.1", True),
    (("nonsense",), "8.9", False),
])  # fmt: skip
def test_a_gpu_needs_code_that_it_can_run(architectures, capability, fits):
    found = misfits("cuda-12.8", requires(gpu_architectures=architectures), host(capability=capability))
    assert (found == ()) is fits


def test_a_build_s_own_floor_counts_where_it_is_higher():
    assert misfits("cuda-12.4", requires(driver="581"), host()) == (
        "this build needs NVIDIA driver 581 or newer, this is 580.95.05",
    )
    assert misfits("cuda-12.4", requires(driver="400"), host()) == ()


def test_a_gpu_whose_capability_the_driver_does_not_say_is_judged_by_the_driver_alone():
    assert misfits("cuda-12.4", requires(gpu_architectures=("sm_90",)), host(capability=None)) == ()


def test_a_driver_whose_version_is_not_known_does_not_fit():
    (reason,) = misfits("cuda-12.4", requires(), host(driver=None))
    assert "is not known" in reason


def test_a_major_version_from_the_future_needs_its_floor_in_the_manifest():
    (reason,) = misfits("cuda-14.0", requires(), host())
    assert reason == "which driver CUDA 14.0 needs is not known to this program"
    assert misfits("cuda-14.0", requires(driver="570"), host()) == ()
