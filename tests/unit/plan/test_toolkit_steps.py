from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import UsageError
from pipeline.model.actions import Compile, MakeBundle, Prove
from pipeline.model.host import Tool
from pipeline.model.toolkit import FoundToolkit
from pipeline.model.toolkit_actions import MakeRuntimeLayer
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, PlanInputs, make_plan

CPU = parse_target("llama.cpp/linux-x86_64-cpu")
CUDA = parse_target("llama.cpp/linux-x86_64-cuda-13.0")
VULKAN = parse_target("llama.cpp/linux-x86_64-vulkan")
NAMES = ("cc", "cxx", "cmake", "ninja", "strip", "objcopy")
PACKAGED = FoundToolkit(origin="packaged", version="13.0")
SYSTEM = FoundToolkit(origin="system", version="13.0.88", path="/opt/cuda", runtime_sha256="1" * 64)
INPUTS = PlanInputs(
    platform="linux-x86_64",
    glibc="2.36",
    tools={name: Tool(name=name, path=f"/usr/bin/{name}", version="1.2.3", vendor="gcc") for name in NAMES},
    toolkits={str(CUDA): PACKAGED, str(VULKAN): FoundToolkit(origin="system", version="2023.2", path="/usr")},
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
