from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.model.actions import Compile
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, make_plan
from pipeline.plan.given_options import owners_of
from tests.unit.plan.test_toolkit_steps import CPU, CUDA, INPUTS, VULKAN

WINDOWS = parse_target("llama.cpp/windows-x86_64-avx2")


def compiled(catalog, *targets, **given):
    request = BuildRequest(targets, source="build", cmake_options=given)
    steps = make_plan(request, catalog, INPUTS).steps
    return {step.action.component_name: step for step in steps if isinstance(step.action, Compile)}


def changed(catalog, **given):
    plain, other = (compiled(catalog, CPU, CUDA, VULKAN, **options) for options in ({}, given))
    return {name for name, step in plain.items() if other[name].key != step.key}


def test_an_option_that_one_backend_reads_changes_no_other_component(catalog):
    assert changed(catalog, GGML_CUDA_FA="OFF") == {"cuda-13.0"}
    assert changed(catalog, Vulkan_GLSLC_EXECUTABLE="/opt/glslc") == {"vulkan"}


def test_an_option_that_is_nobodys_own_goes_to_every_component(catalog):
    assert changed(catalog, GGML_LTO="ON") == {"core", "cpu", "cuda-13.0", "vulkan"}
    assert changed(catalog, GGML_CUDA="ON") == {"core", "cpu", "vulkan"}  # cuda's recipe says so already


def test_an_option_that_two_backends_read_goes_to_both(catalog):
    assert owners_of("GGML_CUDA_FA", "llama.cpp", catalog) == ("cuda", "rocm")
    assert owners_of("GGML_CUDA_FA", "whisper.cpp", catalog) == ()


def test_what_a_backend_is_compiled_with_has_the_option_and_no_word_of_whose_it_is(catalog):
    cuda = compiled(catalog, CUDA, GGML_CUDA_FA="OFF")["cuda-13.0"].action.component
    assert cuda.options["GGML_CUDA_FA"] == "OFF"
    assert cuda.own_options == ()


def test_programs_with_the_backend_inside_take_the_backends_options(catalog):
    avx2 = catalog.accelerators["avx2"]
    owning = avx2.engines["llama.cpp"].model_copy(update={"own_options": ("GGML_F16C",)})
    owner = avx2.model_copy(update={"engines": {"llama.cpp": owning}})
    changed = catalog.model_copy(update={"accelerators": {**catalog.accelerators, "avx2": owner}})
    (both,) = compiled(changed, WINDOWS, GGML_F16C="OFF").values()
    assert both.action.component.options["GGML_F16C"] == "OFF"


def test_an_option_of_this_command_that_nothing_of_what_is_built_reads_is_refused(catalog):
    def plan(*targets, insisted):
        given = {"GGML_VULKAN_DEBUG": "ON"}
        request = BuildRequest(
            targets, source="build", cmake_options=given, insisted_options=frozenset(given if insisted else ())
        )
        return make_plan(request, catalog, INPUTS)

    with pytest.raises(UsageError, match="GGML_VULKAN_DEBUG is read by vulkan alone"):
        plan(CPU, insisted=True)
    assert plan(CPU, VULKAN, insisted=True).steps
    assert plan(CPU, insisted=False).steps  # a project's default is for whatever is built of it
