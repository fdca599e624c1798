from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pipeline.errors import UsageError
from pipeline.model.actions import Compile, MakeBundle, Prove
from pipeline.model.host import Tool
from pipeline.model.toolkit import FoundToolkit
from pipeline.model.toolkit_actions import MakeRuntimeLayer, MakeToolkit
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, PlanInputs, make_plan

CPU = parse_target("llama.cpp/linux-x86_64-cpu")
CUDA = parse_target("llama.cpp/linux-x86_64-cuda-13.0")
ROCM = parse_target("llama.cpp/linux-x86_64-rocm-6.4")
SYCL = parse_target("llama.cpp/linux-x86_64-sycl")
VULKAN = parse_target("llama.cpp/linux-x86_64-vulkan")
NAMES = ("cc", "cxx", "cmake", "ninja", "strip", "objcopy")
PACKAGED = FoundToolkit(origin="packaged", version="13.0")
SYSTEM = FoundToolkit(origin="system", version="13.0.88", path="/opt/cuda", runtime_sha256="1" * 64)
GLSLC_2023 = FoundToolkit(origin="system", version="309", path="/usr", program="shaderc 2023.2-1")
INPUTS = PlanInputs(
    platform="linux-x86_64",
    glibc="2.36",
    tools={name: Tool(name=name, path=f"/usr/bin/{name}", version="1.2.3", vendor="gcc") for name in NAMES},
    toolkits={str(CUDA): PACKAGED, str(VULKAN): GLSLC_2023},
)


def planned(catalog, *targets, inputs=INPUTS, **asked):
    return make_plan(BuildRequest(targets, source="build", **asked), catalog, inputs)


def of_kind(plan, kind):
    return {step.name: step for step in plan.steps if isinstance(step.action, kind)}


def layers(plan, target):
    (bundle,) = (s.action for s in plan.steps if isinstance(s.action, MakeBundle) and str(target) in s.targets)
    return [plan_step.key for name in bundle.layers for plan_step in plan.steps if plan_step.name == name]


def test_a_gpus_bundle_has_the_very_core_and_backend_of_the_processors(catalog):
    plan = planned(catalog, CPU, CUDA, VULKAN)
    cpu, cuda, vulkan = (layers(plan, target) for target in (CPU, CUDA, VULKAN))
    assert cuda[:2] == vulkan[:2] == cpu
    assert (len(cpu), len(cuda), len(vulkan)) == (2, 4, 3)


def test_after_the_processors_only_backends_are_compiled(catalog):
    alone = {step.key for step in planned(catalog, CPU).steps}
    more = [step for step in planned(catalog, CPU, CUDA, VULKAN).steps if step.key not in alone]
    assert [step.action.component_name for step in more if isinstance(step.action, Compile)] == ["cuda-13.0", "vulkan"]


def test_the_runtime_of_a_toolkit_is_a_layer_that_no_release_changes(catalog):
    new, old = planned(catalog, CUDA), planned(catalog, CUDA, release="b11401")
    (one,), (other,) = (of_kind(plan, MakeRuntimeLayer).values() for plan in (new, old))
    assert one.key == other.key
    assert one.action.layer_name == "cuda-13.0-runtime"


def test_a_runtime_of_packages_beside_the_systems_compiler_is_of_the_targets_version(catalog):
    older = parse_target("llama.cpp/linux-x86_64-cuda-12.9")
    system = FoundToolkit(origin="system", version="12.9.86", path="/opt/cuda")
    plan = planned(catalog, older, CUDA, inputs=replace(INPUTS, toolkits={**INPUTS.toolkits, str(older): system}))
    layers = {step.action.layer_name: step for step in of_kind(plan, MakeRuntimeLayer).values()}
    assert layers["cuda-12.9-runtime"].needs == ("runtime CUDA 12.9 for linux-x86_64",)
    assert layers["cuda-13.0-runtime"].needs == ("toolkit CUDA 13.0 for linux-x86_64",)


def test_the_systems_runtime_is_known_by_its_bytes_and_not_by_its_place(catalog):
    def runtime(**changes):
        found = SYSTEM.model_copy(update=changes)
        plan = planned(catalog, CUDA, inputs=replace(INPUTS, toolkits={str(CUDA): found}))
        (layer,) = of_kind(plan, MakeRuntimeLayer).values()
        return layer.key

    assert runtime() == runtime(path="/elsewhere")
    assert runtime() != runtime(runtime_sha256="2" * 64)


def test_architectures_stand_in_the_words_of_cmake_and_are_asked_of_the_proof(catalog):
    plan = planned(catalog, CUDA, architectures=("sm_90", "compute_90", "sm_120a"))
    compiled = of_kind(plan, Compile)["compile llama.cpp b11434 linux-x86_64 cuda-13.0"].action
    assert compiled.component.options["CMAKE_CUDA_ARCHITECTURES"] == "90-virtual;90-real;120a-real"
    (proof,) = of_kind(plan, Prove).values()
    assert proof.action.architectures == ("compute_90", "sm_90", "sm_120a")


def test_the_place_of_a_toolkit_is_in_no_key_and_its_version_is(catalog):
    def compiled(**changes):
        found = SYSTEM.model_copy(update=changes)
        plan = planned(catalog, CUDA, inputs=replace(INPUTS, toolkits={str(CUDA): found}))
        return of_kind(plan, Compile)["compile llama.cpp b11434 linux-x86_64 cuda-13.0"]

    assert compiled().key == compiled(path="/elsewhere").key != compiled(version="13.0.90").key
    assert compiled().action.toolchain["cuda"] == "13.0.88 of the system"


def test_another_shader_compiler_is_another_key(catalog):
    def compiled(found):
        plan = planned(catalog, VULKAN, inputs=replace(INPUTS, toolkits={str(VULKAN): found}))
        return of_kind(plan, Compile)["compile llama.cpp b11434 linux-x86_64 vulkan"]

    newer = GLSLC_2023.model_copy(update={"program": "shaderc 2025.2-1"})
    assert compiled(GLSLC_2023).key != compiled(newer).key
    assert compiled(newer).action.toolchain["vulkan compiler"] == "shaderc 2025.2-1"


@pytest.mark.parametrize(
    ("accel", "said", "version"),
    [
        ("cuda-13.0", "Cuda compilation tools, release 13.0, V13.0.88\nBuild cuda_13.0.r13.0/compiler.1_0", "13.0.88"),
        ("rocm-6.4", "6.4.43484-123eb5128", "6.4.43484"),
        ("sycl", "Intel(R) oneAPI DPC++/C++ Compiler 2026.0.1 (2026.0.1.20260101)", "2026.0.1"),
        ("vulkan", "// header\n#define VK_HEADER_VERSION 309\n", "309"),
    ],
)
def test_the_whole_version_of_a_toolkit_is_read(catalog, accel, said, version):
    toolkit = catalog.accelerator(accel).toolkit
    assert re.search(toolkit.version_pattern, said)[1] == version


def test_packages_of_a_toolkit_are_in_the_provenance(catalog):
    (bundle,) = of_kind(planned(catalog, CUDA), MakeBundle).values()
    names = [material.name for material in bundle.action.materials]
    assert any(name.startswith("nvidia_cublas-") for name in names)
    assert bundle.action.runtime_licenses == ("LicenseRef-NVIDIA-CUDA-EULA",)


def test_another_backend_of_the_processor_can_be_asked_for(catalog):
    plan = planned(catalog, VULKAN, base="avx2")
    names = [step.action.component_name for step in plan.steps if isinstance(step.action, Compile)]
    assert names == ["core", "avx2", "vulkan"]
    (proof,) = of_kind(plan, Prove).values()
    assert "avx2" in proof.action.requires_cpu


def test_a_base_that_is_no_backend_of_the_processor_is_refused(catalog):
    with pytest.raises(UsageError, match="--base vulkan: no recipe builds it"):
        planned(catalog, CUDA, base="vulkan")


def test_free_space_that_a_build_needs_is_in_no_key(catalog):
    compiled = of_kind(planned(catalog, CUDA), Compile)["compile llama.cpp b11434 linux-x86_64 cuda-13.0"].action
    assert compiled.space_bytes > 0
    assert compiled.component.space_bytes == 0


def rocm_inputs(**changes):
    found = FoundToolkit(origin="system", version="6.4", path="/opt/rocm", runtime_sha256="1" * 64)
    return replace(INPUTS, toolkits={str(ROCM): found.model_copy(update=changes)})


def test_the_gpus_are_part_of_a_runtime_that_has_code_of_its_own_and_of_no_other(catalog):
    def runtime(target, inputs, *names):
        (layer,) = of_kind(planned(catalog, target, inputs=inputs, architectures=names), MakeRuntimeLayer).values()
        return layer

    one, two = (runtime(ROCM, rocm_inputs(), *names) for names in (("gfx1100",), ("gfx1100", "gfx1030")))
    assert (one.action.architectures, two.action.architectures) == (("gfx1100",), ("gfx1030", "gfx1100"))
    assert one.key != two.key
    assert runtime(CUDA, INPUTS, "sm_90").key == runtime(CUDA, INPUTS, "sm_80").key


def test_the_proof_looks_for_the_code_of_a_vendors_library(catalog):
    (proof,) = of_kind(planned(catalog, ROCM, inputs=rocm_inputs(), architectures=("gfx1100",)), Prove).values()
    assert [code.folder for code in proof.action.device_code] == ["rocblas/**/library", "hipblaslt/**/library"]
    (proof,) = of_kind(planned(catalog, VULKAN), Prove).values()
    assert proof.action.device_code == ()


def test_a_runtime_can_come_from_packages_where_the_compiler_is_the_systems(catalog):
    found = FoundToolkit(origin="system", version="2026.1", path="/opt/intel/oneapi")
    plan = planned(catalog, SYCL, inputs=replace(INPUTS, toolkits={str(SYCL): found}))
    ((name, layer),) = of_kind(plan, MakeRuntimeLayer).items()
    ((made, toolkit),) = of_kind(plan, MakeToolkit).items()
    assert name == "layer sycl-runtime of oneAPI 2026.2 for linux-x86_64"
    assert (layer.action.toolkit, layer.action.toolkit_dir, layer.needs) == (made, None, (made,))
    assert layer.action.libraries.packaged == ()
    compiled = of_kind(plan, Compile)["compile llama.cpp b11434 linux-x86_64 sycl"].action
    assert (compiled.toolkit, compiled.toolkit_dir, compiled.compilers["cxx"]) == (
        None, "/opt/intel/oneapi", "compiler/latest/bin/icpx",
    )  # fmt: skip
    (bundle,) = of_kind(plan, MakeBundle).values()
    names = {material.name for material in bundle.action.materials}
    assert {wheel.filename for wheel in toolkit.action.packaged.wheels} <= names


def test_a_backend_without_a_device_is_opened_beside_stubs_unless_less_was_asked_for(catalog):
    def proof(target, **asked):
        (step,) = of_kind(planned(catalog, target, **asked), Prove).values()
        return step.action

    cuda = proof(CUDA)
    assert cuda.layers[cuda.opens[0]] == "layer llama.cpp b11434 linux-x86_64 cuda-13.0"
    assert [stub.soname for stub in cuda.stubs] == ["libcuda.so.1"]
    assert proof(CPU).opens == ()
    assert proof(CUDA, prove="none").opens == ()
    assert proof(CUDA, prove="run").opens == ()
