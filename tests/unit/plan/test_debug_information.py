"""Debug information that options ask for and that no layer will have is said; where it is kept, nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import NothingSelectedError
from pipeline.events import Notice
from pipeline.make.run import carry_out_plan
from pipeline.model.result import StepResult
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, look_around, make_plan
from pipeline.plan.debug_information import debug_asked_for, debug_left_behind
from pipeline.system.trees import FileTreeReader
from tests.simulators.apple_developer import DeveloperTools, Mac
from tests.simulators.engine_world import services_for
from tests.unit.plan.test_native import Around
from tests.unit.plan.test_planner import INPUTS
from tests.unit.plan.test_toolchains import INPUTS as CROSS_INPUTS
from tests.unit.plan.test_toolchains import MACOS, WINDOWS, WINDOWS_VARIANTS

METAL = parse_target("llama.cpp/macos-arm64-metal")
LINUX = parse_target("llama.cpp/linux-x86_64-avx2")


class EmptyIndex:
    """A package index that has nothing."""

    def urls_of(self, project, filename):
        raise NothingSelectedError(f"there is no {filename} of {project}")


@pytest.fixture
def mac(tmp_path):
    return Mac(DeveloperTools(tmp_path))


def plan_on_mac(catalog, mac, **options):
    request = BuildRequest((METAL,), source="build", cmake_options=options)
    return make_plan(request, catalog, look_around(request, catalog, Around(mac, FileTreeReader())))


@pytest.mark.parametrize(
    "options",
    [
        {"CMAKE_BUILD_TYPE": "RelWithDebInfo"},
        {"CMAKE_BUILD_TYPE": "debug"},
        {"CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS_RELEASE": "-O2 -g -DNDEBUG"},
        {"CMAKE_BUILD_TYPE": "Release", "CMAKE_OBJC_FLAGS": "-gdwarf-4"},
        {"CMAKE_C_FLAGS": "-g0 -gmlt"},
        {"CMAKE_C_FLAGS": "-g0", "CMAKE_BUILD_TYPE": "RelWithDebInfo"},
        {"CMAKE_BUILD_TYPE": "RelWithDebInfo", "CMAKE_C_FLAGS_RELWITHDEBINFO": "-O2", "CMAKE_CXX_FLAGS": "-g"}
        | {"CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-g1"},
    ],
)
def test_debug_information_is_asked_for_by_a_build_type_or_by_flags_of_the_one_that_is_built(options):
    name, value = list(options.items())[-1]
    assert debug_asked_for(options) == f"{name}={value}"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"CMAKE_BUILD_TYPE": "Release"},
        {"CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS_DEBUG": "-g"},
        {"CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS_RELEASE": "-O3 -g0 -gcolumn-info --gcc-toolchain=/x"},
        {"GGML_G": "-g"},
        {"CMAKE_CXX_FLAGS": "-g -g0"},
        {"CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS": "-g", "CMAKE_CXX_FLAGS_RELEASE": "-O3 -ggdb0"},
        {"CMAKE_BUILD_TYPE": "RelWithDebInfo", "CMAKE_C_FLAGS_RELWITHDEBINFO": "-O2"}
        | {"CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O2"},
    ],
)
def test_what_asks_for_none_is_not_taken_for_it(options):
    assert debug_asked_for(options) == ""


def left_behind(plan):
    """Return what is said where nothing of the plan is there yet."""
    return debug_left_behind(plan, frozenset(step.name for step in plan.steps))


def test_a_macs_debug_layer_has_none_of_it_and_each_layer_and_the_option_are_named(catalog, mac):
    said = left_behind(plan_on_mac(catalog, mac, CMAKE_BUILD_TYPE="RelWithDebInfo"))
    assert said.startswith("CMAKE_BUILD_TYPE=RelWithDebInfo asks for debug information")
    assert "of core and cpu and metal will have names of functions alone" in said
    assert left_behind(plan_on_mac(catalog, mac)) == ""


def test_on_linux_the_debug_layer_has_it_and_nothing_is_said(catalog):
    request = BuildRequest((LINUX,), source="build", cmake_options={"CMAKE_BUILD_TYPE": "RelWithDebInfo"})
    assert left_behind(make_plan(request, catalog, INPUTS)) == ""


@pytest.mark.parametrize(
    ("target", "layers"),
    [(LINUX, "core and avx2"), (WINDOWS_VARIANTS, "core and cpu"), (WINDOWS, "core-avx2"), (MACOS, "core and cpu")],
    ids=str,
)
def test_what_a_toolchain_for_other_platforms_builds_has_none_anywhere(catalog, target, layers):
    asked = {"source": "build", "toolchain": "zig"}
    request = BuildRequest((target,), **asked, cmake_options={"CMAKE_BUILD_TYPE": "RelWithDebInfo"})
    assert left_behind(make_plan(request, catalog, CROSS_INPUTS)) == (
        f"CMAKE_BUILD_TYPE=RelWithDebInfo asks for debug information, and {layers} will have no debug files:"
        " what zig 0.17.1 builds comes without them"
    )
    assert left_behind(make_plan(BuildRequest((target,), **asked), catalog, CROSS_INPUTS)) == ""


def warnings_of(services):
    events = [event for event in services.events.events if isinstance(event, Notice) and event.level == "warning"]
    return [event for event in events if "debug information" in event.message]


@pytest.mark.parametrize(("build_type", "count"), [("RelWithDebInfo", 1), ("Release", 0)])
def test_a_build_warns_of_it_before_anything_is_compiled(catalog, mac, tmp_path, build_type, count):
    services = replace(services_for(tmp_path / "services"), index=EmptyIndex())
    with pytest.raises(NothingSelectedError, match="there is no"):  # the source
        carry_out_plan(plan_on_mac(catalog, mac, CMAKE_BUILD_TYPE=build_type), services)
    assert len(warnings_of(services)) == count


def test_a_build_whose_layers_are_there_already_does_not_warn_again(catalog, mac, tmp_path):
    services = services_for(tmp_path / "services")
    plan = plan_on_mac(catalog, mac, CMAKE_BUILD_TYPE="RelWithDebInfo")
    for step in plan.steps:
        services.store.put_result(StepResult(key=step.key, trees={}, blobs={}, facts={}))
    _, results = carry_out_plan(plan, services)
    assert results
    assert warnings_of(services) == []
