from __future__ import annotations

import pytest

from pipeline.deploy.fitting import misfits
from pipeline.deploy.select import NoAcceleratorError, require_accelerator, select
from pipeline.errors import NothingSelectedError, UsageError
from pipeline.model.host import AmdGpu, ApiDevice, NvidiaGpu, ProbeFault
from tests.simulators.variants import CPU_HOST, RTX_4090, VULKAN, artifact, requires


def chosen(offered, facts, **options):
    found = select(offered, facts, engine=None, **options)
    return found.artifact and (found.artifact.accel, found.artifact.version)


def reasons(offered, facts):
    rejected = select(offered, facts, engine=None).selection.rejected
    return {r.target.partition("/")[2]: r.reasons for r in rejected}


EVERYTHING = RTX_4090.model_copy(
    update={
        **VULKAN,
        "amd_gpus": (AmdGpu(gfx="gfx1100"),),
        "level_zero_loader": True,
        "level_zero_devices": (ApiDevice(name="Intel(R) Arc(TM) A770", kind="gpu"),),
        "opencl_loader": True,
        "opencl_devices": (ApiDevice(name="Intel(R) Arc(TM) A770", kind="gpu"),),
    }
)


def test_the_order_of_preference_is_that_of_the_decision():
    accels = ["avx2", "cpu", "openvino-2026.0", "opencl", "vulkan", "sycl", "rocm-7.14", "cuda-12.4"]
    order = []
    offered = [artifact(accel) for accel in accels]
    while offered:
        best = select(offered, EVERYTHING, engine=None).artifact
        order.append(best.accel)
        offered.remove(best)
    assert order == ["cuda-12.4", "rocm-7.14", "sycl", "vulkan", "opencl", "openvino-2026.0", "cpu", "avx2"]


def test_vulkan_is_taken_where_rocm_may_have_no_code_for_the_gpu():
    apu = CPU_HOST.model_copy(update={**VULKAN, "amd_gpus": (AmdGpu(gfx="gfx90c"),)})
    assert chosen([artifact("cpu"), artifact("rocm-7.14"), artifact("vulkan")], apu) == ("vulkan", "b1")


def test_the_newest_cuda_that_fits_is_taken_by_number():
    offered = [artifact(accel) for accel in ("cuda-12.4", "cuda-12.8", "cuda-13.0", "cuda-12.10")]
    assert chosen(offered, RTX_4090) == ("cuda-12.10", "b1")
    newer = RTX_4090.model_copy(update={"nvidia_driver": "580.95.05"})
    assert chosen(offered, newer) == ("cuda-13.0", "b1")


def test_versions_are_compared_by_number():
    assert chosen([artifact("cpu", v) for v in ("b9999", "b10000", "b100")], CPU_HOST) == ("cpu", "b10000")


def test_every_other_variant_has_all_its_reasons():
    needs = requires(glibc="2.41", cpu=("avx512f",))
    offered = [artifact("cpu"), artifact("vulkan"), artifact("cuda-13.0", needs=needs), artifact("metal")]
    offered.append(artifact("metal", platform="macos-arm64"))
    assert reasons(offered, RTX_4090) == {
        "linux-x86_64-vulkan": ("no Vulkan loader was found",),
        "linux-x86_64-cuda-13.0": (
            "it needs glibc 2.41, this has 2.39",
            "this processor has no avx512f",
            "CUDA 13.0 needs NVIDIA driver 580 or newer, this is 570.86.15",
        ),
        "linux-x86_64-metal": ("it needs Metal on Apple silicon",),
        "macos-arm64-metal": ("it is for macos-arm64, this is linux-x86_64",),
    }


def test_a_variant_that_fits_and_is_not_chosen_says_which_one_is_preferred():
    found = select([artifact("cpu"), artifact("cuda-12.4")], RTX_4090, engine=None).selection
    assert found.why == "it fits, and is preferred over cpu"
    assert [(r.fits, r.reasons) for r in found.rejected] == [(True, ("it fits, and cuda-12.4 is preferred",))]


def test_an_accelerator_that_nobody_knows_is_rejected_and_never_taken_for_cpu():
    offered = [artifact("qaic-1.0")]
    found = select(offered, CPU_HOST, engine=None)
    assert found.artifact is None
    assert reasons(offered, CPU_HOST) == {"linux-x86_64-qaic-1.0": ("this program knows no accelerator 'qaic'",)}
    with pytest.raises(NothingSelectedError, match=r"qaic-1\.0 b1: this program knows no accelerator"):
        found.require()


def test_an_older_version_that_fits_is_taken_and_the_newer_one_has_its_reasons():
    offered = [artifact("cpu", "b2", needs=requires(glibc="2.41")), artifact("cpu", "b1"), artifact("cpu", "b0")]
    assert chosen(offered, CPU_HOST) == ("cpu", "b1")
    found = select(offered, CPU_HOST, engine=None).selection
    assert [(r.version, r.reasons) for r in found.rejected] == [("b2", ("it needs glibc 2.41, this has 2.39",))]


def test_a_gpu_with_an_older_version_is_taken_over_the_processor_with_a_newer_one():
    assert chosen([artifact("cpu", "b2"), artifact("cuda-12.4", "b1")], RTX_4090) == ("cuda-12.4", "b1")
    both = [artifact("cpu", "b2"), artifact("cuda-12.4", "b1")]
    assert chosen(both, RTX_4090, version="b2") == ("cpu", "b2")


def test_a_gpu_that_will_not_be_used_is_said_with_each_variants_reason():
    offered = [artifact("cpu"), artifact("cuda-13.0"), artifact("vulkan"), artifact("metal", platform="macos-arm64")]
    warnings = select(offered, RTX_4090, engine=None).selection.warnings
    expected = (
        "this machine has NVIDIA GeForce RTX 4090, which will NOT be used:\n"
        "cuda-13.0 b1: CUDA 13.0 needs NVIDIA driver 580 or newer, this is 570.86.15\n"
        "vulkan b1: no Vulkan loader was found"
    )
    assert warnings == (expected,)
    alone = select([artifact("cpu")], RTX_4090, engine=None).selection.warnings
    assert "no variant for a GPU of linux-x86_64 is offered" in alone[0]


def test_a_gpu_without_any_driver_is_noticed_on_the_bus():
    facts = CPU_HOST.model_copy(update={"adapters": RTX_4090.adapters})
    found = select([artifact("cpu"), artifact("cuda-12.4")], facts, engine=None).selection
    assert "NVIDIA 10de:2684, which will NOT be used" in found.warnings[0]
    assert "no NVIDIA GPU with a working driver was found; the machine has 10de:2684" in found.warnings[0]


def test_a_host_without_a_gpu_is_not_warned():
    assert select([artifact("cpu"), artifact("cuda-12.4")], CPU_HOST, engine=None).selection.warnings == ()


def test_a_probe_that_failed_is_the_reason_and_not_absence():
    facts = CPU_HOST.model_copy(
        update={"probe_faults": (ProbeFault(probe="nvidia", reason="nvidia-smi: it did not answer within 15 s"),)}
    )
    assert reasons([artifact("cpu"), artifact("cuda-12.4")], facts)["linux-x86_64-cuda-12.4"] == (
        "NVIDIA GPU with a working driver could not be looked for: nvidia-smi: it did not answer within 15 s",
    )


def test_the_processor_after_a_probe_that_failed_is_said_aloud():
    fault = ProbeFault(probe="nvidia", reason="nvidia-smi: it did not answer within 15 s")
    found = select(
        [artifact("cpu"), artifact("cuda-12.4")], CPU_HOST.model_copy(update={"probe_faults": (fault,)}), engine=None
    )
    expected = (
        "whether there is a GPU is not known: nvidia: nvidia-smi: it did not answer within 15 s;"
        " the processor will be used:\ncuda-12.4 b1: NVIDIA GPU with a working driver could not be looked for:"
        " nvidia-smi: it did not answer within 15 s"
    )
    assert found.selection.warnings == (expected,)
    with pytest.raises(NoAcceleratorError, match="whether there is a GPU is not known: nvidia: ") as caught:
        require_accelerator(found.artifact, found.selection)
    assert "no GPU that was found" not in caught.value.message


def test_a_required_accelerator_is_found_or_missed():
    offered = [artifact("cpu"), artifact("cuda-13.0")]
    gpu = select([artifact("cuda-12.4")], RTX_4090, engine=None)
    require_accelerator(gpu.artifact, gpu.selection)
    fallen = select(offered, RTX_4090, engine=None)
    with pytest.raises(NoAcceleratorError, match="needs NVIDIA driver 580 or newer") as caught:
        require_accelerator(fallen.artifact, fallen.selection)
    assert caught.value.exit_code == 10
    bare = select(offered, CPU_HOST, engine=None)
    with pytest.raises(NoAcceleratorError, match="no GPU that was found"):
        require_accelerator(bare.artifact, bare.selection)
    with pytest.raises(NoAcceleratorError):
        require_accelerator(artifact("qaic-1.0"), None)


def test_several_engines_need_a_name():
    offered = [artifact("cpu"), artifact("cpu", engine="other")]
    with pytest.raises(UsageError) as caught:
        select(offered, CPU_HOST, engine=None)
    assert "llama.cpp, other" in caught.value.hint
    assert select(offered, CPU_HOST, engine="other").artifact.engine == "other"
    with pytest.raises(NothingSelectedError, match="'third'"):
        select(offered, CPU_HOST, engine="third")
    with pytest.raises(NothingSelectedError, match="b7"):
        select(offered, CPU_HOST, engine="other", version="b7")
    with pytest.raises(NothingSelectedError, match="nothing is offered"):
        select([], CPU_HOST, engine=None)


@pytest.mark.parametrize(
    ("facts", "needs", "reason"),
    [
        ({"glibc": "2.34"}, {"glibc": "2.38"}, "it needs glibc 2.38, this has 2.34"),
        ({"glibc": "2.9"}, {"glibc": "2.10"}, "it needs glibc 2.10, this has 2.9"),
        ({"libstdcxx": "3.4.28"}, {"libstdcxx": "3.4.30"}, "it needs a libstdc++ with GLIBCXX 3.4.30, this has 3.4.28"),
        ({}, {"cpu": ("avx512f", "avx2")}, "this processor has no avx512f"),
        (
            {"libraries": ("libc.so.6",)},
            {"libraries": ("libc.so.6", "libgomp.so.1")},
            "this system has no libgomp.so.1",
        ),
    ],
)
def test_a_system_that_lacks_something_is_told_what(facts, needs, reason):
    host = CPU_HOST.model_copy(update=facts)
    assert misfits(artifact("cpu", needs=requires(**needs)), host) == (reason,)


def test_macos_has_a_floor():
    mac = CPU_HOST.model_copy(update={"platform": "macos-arm64", "glibc": None, "macos": "14.5", "metal": True})
    for floor, expected in (("13.3", ()), ("26.0", ("it needs macOS 26.0, this has 14.5",))):
        assert misfits(artifact("metal", platform="macos-arm64", needs=requires(macos=floor)), mac) == expected


MAC = CPU_HOST.model_copy(update={"platform": "macos-arm64", "glibc": None, "macos": "15.1", "metal": True})
MLX = [
    artifact("mlx", engine="mlx-lm", platform="macos-arm64", needs=requires(macos="14.0")),
    artifact("mlx", engine="mlx-lm", needs=requires(glibc="2.35")),
]


def test_mlx_is_selected_on_apple_silicon_and_counts_as_a_gpu_there_alone():
    choice = select(MLX, MAC, engine="mlx-lm")
    assert choice.artifact is MLX[0]
    assert choice.selection.chosen.is_gpu
    require_accelerator(MLX[0], choice.selection)
    on_linux = select(MLX, CPU_HOST, engine="mlx-lm")
    assert on_linux.artifact is MLX[1]
    with pytest.raises(NoAcceleratorError, match="computes on the processor"):
        require_accelerator(MLX[1], on_linux.selection)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"metal": False}, "it needs Metal on Apple silicon"), ({"macos": "13.6"}, "it needs macOS 14.0, this has 13.6")],
)
def test_mlx_on_a_mac_that_cannot_run_it_says_why(changes, reason):
    assert misfits(MLX[0], MAC.model_copy(update=changes)) == (reason,)


def test_what_cannot_be_read_of_a_host_is_not_held_against_it():
    unknown = CPU_HOST.model_copy(update={"glibc": None, "cpu_features": ()})
    needs = requires(glibc="2.99", libstdcxx="3.4.99", macos="99", cpu=("avx9",), libraries=("libx.so.1",))
    assert misfits(artifact("cpu", needs=needs), unknown) == ()


def test_one_gpu_of_several_that_fits_is_enough():
    gpus = (*RTX_4090.nvidia_gpus, NvidiaGpu(name="Tesla K80", compute_capability="3.7"))
    assert misfits(artifact("cuda-12.4"), RTX_4090.model_copy(update={"nvidia_gpus": gpus})) == ()


OLD_AND_NEW = requires(gpu_architectures=("sm_75", "sm_86", "compute_90"))


@pytest.mark.parametrize(
    ("capability", "fits"),
    [("7.0", False), ("7.5", True), ("8.0", False), ("8.9", True), ("9.0", True), ("12.0", True)],
)
def test_a_cuda_bundle_is_chosen_for_the_gpus_that_it_was_measured_to_have_code_for(capability, fits):
    gpu = NvidiaGpu(name="GPU", compute_capability=capability)
    facts = RTX_4090.model_copy(update={"nvidia_gpus": (gpu,)})
    offered = [artifact("cpu"), artifact("cuda-12.8", needs=OLD_AND_NEW)]
    assert chosen(offered, facts) == ("cuda-12.8" if fits else "cpu", "b1")
    if not fits:
        said = f"it has code for sm_75, sm_86, compute_90, GPU has compute capability {capability}"
        assert reasons(offered, facts)["linux-x86_64-cuda-12.8"] == (said,)


@pytest.mark.parametrize(("gfx", "fits"), [("gfx90a", True), ("gfx1100", True), ("gfx1151", False), ("gfx1201", True)])
def test_a_rocm_bundle_is_chosen_for_the_gpus_that_it_was_measured_to_have_code_for(gfx, fits):
    needs = requires(gpu_architectures=("gfx90a:xnack-", "gfx1100", "gfx12-generic"))
    facts = CPU_HOST.model_copy(update={"amd_gpus": (AmdGpu(gfx=gfx),)})
    offered = [artifact("cpu"), artifact("rocm-7.14", needs=needs)]
    assert chosen(offered, facts) == ("rocm-7.14" if fits else "cpu", "b1")
    if not fits:
        said = f"it has code for gfx90a:xnack-, gfx1100, gfx12-generic, this machine has {gfx}"
        assert reasons(offered, facts)["linux-x86_64-rocm-7.14"] == (said,)


def test_a_release_with_code_for_the_gpu_is_taken_before_a_newer_one_without():
    newer = artifact("cuda-12.8", "b2", needs=requires(gpu_architectures=("sm_90a", "sm_120f")))
    assert chosen([artifact("cuda-12.8", needs=OLD_AND_NEW), newer], RTX_4090) == ("cuda-12.8", "b1")
