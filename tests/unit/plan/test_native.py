"""What a Mac builds by itself: the plan for one, made with the answers of its developer tools."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from pipeline.errors import HostError
from pipeline.model.actions import Compile, MakeBundle, MakeLayer, Prove
from pipeline.model.host import Tool
from pipeline.model.native import NativeBuild
from pipeline.model.recipe import EngineRecipe
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, PlanInputs, how_to_install, look_around, make_plan, tools_of_builds
from pipeline.plan.choosing import decide
from pipeline.system.trees import FileTreeReader
from tests.simulators.apple_developer import DeveloperTools, Mac

CLANG = "17.0.0+1700.0.13.5"
METAL = parse_target("llama.cpp/macos-arm64-metal")
CPU = parse_target("llama.cpp/macos-arm64-cpu")


@dataclass
class Around:
    """What is looked at."""

    host: Mac
    trees: FileTreeReader
    downloader: object = None


@pytest.fixture
def tools(tmp_path):
    return DeveloperTools(tmp_path)


def plan_on_mac(catalog, tools, *targets, metal=True, **asked):
    request = BuildRequest(targets, source="build", **asked)
    inputs = look_around(request, catalog, Around(Mac(tools, metal=metal), FileTreeReader()))
    return make_plan(request, catalog, inputs)


def of_kind(plan, kind):
    return [step.action for step in plan.steps if isinstance(step.action, kind)]


def test_metal_is_the_core_the_processor_and_one_more_backend(catalog, tools):
    plan = plan_on_mac(catalog, tools, METAL, CPU)
    assert [layer.layer_name for layer in of_kind(plan, MakeLayer)] == ["core", "cpu", "metal"]
    metal, cpu = of_kind(plan, MakeBundle)
    assert metal.layers[:2] == cpu.layers
    assert {compiled.cross for compiled in of_kind(plan, Compile)} == {None}


def test_libraries_find_each_other_whatever_folder_they_are_in(catalog, tools):
    for compiled in of_kind(plan_on_mac(catalog, tools, METAL), Compile):
        options = compiled.component.options
        assert options["CMAKE_INSTALL_RPATH"] == "@loader_path"
        assert options["CMAKE_INSTALL_NAME_DIR"] == "@rpath"
        assert options["CMAKE_BUILD_WITH_INSTALL_RPATH"] == options["CMAKE_BUILD_WITH_INSTALL_NAME_DIR"] == "ON"
        assert compiled.link_flags == ("-Wl,-reproducible",)
        assert compiled.compile_flags == ()


def test_what_is_built_runs_on_the_macos_that_the_recipe_promises(catalog, tools):
    plan = plan_on_mac(catalog, tools, METAL)
    floor = catalog.engine("llama.cpp").archives.macos_floor
    assert {c.component.options["CMAKE_OSX_DEPLOYMENT_TARGET"] for c in of_kind(plan, Compile)} == {floor}
    (proof,) = of_kind(plan, Prove)
    assert proof.macos_floor == floor
    assert proof.system_libraries == catalog.engine("llama.cpp").archives.system_libraries["macos"]


def test_each_backend_is_switched_on_where_it_is_made_and_nowhere_else(catalog, tools):
    made = {c.component_name: c.component for c in of_kind(plan_on_mac(catalog, tools, METAL), Compile)}
    switches = ("GGML_METAL", "GGML_BLAS", "GGML_CPU")
    assert {name: tuple(part.options[switch] for switch in switches) for name, part in made.items()} == {
        "core": ("OFF", "OFF", "OFF"),
        "cpu": ("OFF", "ON", "ON"),
        "metal": ("ON", "OFF", "OFF"),
    }
    assert {part.options["GGML_OPENMP"] for part in made.values()} == {"OFF"}
    assert made["metal"].options["GGML_METAL_EMBED_LIBRARY"] == "ON"
    assert made["cpu"].options["GGML_ACCELERATE"] == "ON"
    assert made["cpu"].outputs == ("libggml-cpu-*.so", "libggml-blas.so")
    assert "libggml-base.*dylib" in made["core"].outputs


def test_compiler_linker_and_sdk_are_in_the_keys_and_the_places_of_all_are_not(catalog, tools, tmp_path):
    first = plan_on_mac(catalog, tools, METAL)
    compiled = of_kind(first, Compile)[0]
    versions = {"cc": f"apple-clang {CLANG}", "cxx": f"apple-clang {CLANG}", "ld": "1167.5", "sdk": "15.5"}
    assert compiled.toolchain == {**versions, "cmake": compiled.toolchain["cmake"]}
    assert compiled.component.options["CMAKE_OSX_SYSROOT"] == "{sdk}"
    moved = plan_on_mac(catalog, DeveloperTools(tmp_path / "elsewhere"), METAL)
    assert [step.key for step in moved.steps] == [step.key for step in first.steps]
    newer = plan_on_mac(catalog, DeveloperTools(tmp_path / "newer", sdk_version="26.0"), METAL)
    assert not {s.key for s in newer.steps if isinstance(s.action, Compile)} & {s.key for s in first.steps}


def test_symbols_leave_the_files_by_apples_programs(catalog, tools):
    for layer in of_kind(plan_on_mac(catalog, tools, METAL), MakeLayer):
        assert layer.separation == "apple"
        assert layer.toolchain == {"dsymutil": CLANG, "strip": CLANG, "codesign": "15.5"}


def test_a_mac_without_tools_is_told_what_to_install_and_what_needs_none(catalog, tools):
    tools.choose(None)
    with pytest.raises(HostError, match="a C compiler is needed") as caught:
        plan_on_mac(catalog, tools, METAL)
    assert caught.value.exit_code == 5
    assert "xcode-select --install" in caught.value.hint
    assert "whose archives upstream has compiled" in caught.value.hint


@pytest.mark.parametrize(("name", "what"), [("dsymutil", "dsymutil"), ("strip", "strip"), ("ld", "ld")])
def test_a_program_that_is_not_there_is_named(catalog, tools, name, what):
    tools.remove(name)
    with pytest.raises(HostError, match=f"^{what} is needed") as caught:
        plan_on_mac(catalog, tools, METAL)
    assert "xcode-select --install" in caught.value.hint


def test_a_compiler_or_an_sdk_that_is_too_old_is_refused(catalog, tmp_path):
    with pytest.raises(HostError, match=r"the SDK of macOS 13\.3 or newer is needed"):
        plan_on_mac(catalog, DeveloperTools(tmp_path / "sdk", sdk_version="12.3"), METAL)
    old = DeveloperTools(tmp_path / "clang")
    for name in ("clang", "clang++"):
        program = old.folder / "usr/bin" / name
        program.write_text(program.read_text().replace("version 17.0.0", "version 14.0.3"))
    with pytest.raises(HostError, match=r"apple-clang 14\.0\.3\S*, and 15 or newer is needed"):
        plan_on_mac(catalog, old, METAL)


def test_a_mac_without_a_gpu_measures_what_it_builds(catalog, tools):
    decision = plan_on_mac(catalog, tools, METAL, metal=False).decisions[0]
    assert (decision.proof, decision.proof_why) == (
        "none",
        "Metal lists no device on this Mac, as in some virtual machines",
    )
    assert plan_on_mac(catalog, tools, METAL).decisions[0].proof == "run"
    assert plan_on_mac(catalog, tools, CPU, metal=False).decisions[0].proof == "run"


@pytest.mark.parametrize("toolchain", ["auto", "native"])
def test_elsewhere_metal_is_refused_with_the_reason_and_the_job_that_builds_it(catalog, toolchain):
    request = BuildRequest((METAL,), source="build", toolchain=toolchain)
    with pytest.raises(HostError, match="Apple's SDK, which only a Mac has") as caught:
        decide(METAL, request, catalog, platform="linux-x86_64")
    assert "build it on macos-arm64" in caught.value.hint
    assert "the job llama.cpp-macos-arm64-cpu of the generated workflows" in caught.value.hint
    without = catalog.model_copy(update={"has_workflows": False})
    with pytest.raises(HostError) as caught:
        decide(METAL, request, without, platform="linux-x86_64")
    assert "workflows" not in caught.value.hint


def test_elsewhere_the_processors_bundle_is_still_cross_built_as_it_was(catalog):
    names = ("cc", "cxx", "cmake", "ninja", "strip", "objcopy")
    tools = {name: Tool(name=name, path=f"/usr/bin/{name}", version="1.2.3", vendor="gcc") for name in names}
    inputs = PlanInputs(platform="linux-x86_64", glibc="2.36", tools=tools)
    core, cpu = of_kind(make_plan(BuildRequest((CPU,), source="build"), catalog, inputs), Compile)
    assert core.cross.title == cpu.cross.title == "zig 0.17.1"
    assert cpu.component.outputs == ("libggml-cpu-*.so",)
    assert "GGML_ACCELERATE" not in cpu.component.options
    assert cpu.cross.options["GGML_ACCELERATE"] == "OFF"


def test_what_a_build_needs_of_a_machine_is_said_by_platform(catalog):
    engines = catalog.engines.values()
    on_linux, on_mac = (tools_of_builds(engines, platform) for platform in ("linux-x86_64", "macos-arm64"))
    assert set(on_linux) == {"cmake", "ninja", "cc", "cxx", "strip", "objcopy"}
    assert set(on_mac) == {"cmake", "ninja", "cc", "cxx", "ld", "sdk", "dsymutil", "strip", "codesign"}
    assert "binutils" in how_to_install("strip", "linux-x86_64")
    assert {how_to_install(name, "macos-arm64") for name in ("cc", "sdk", "strip", "codesign")} == {
        how_to_install("cxx", "macos-arm64")
    }


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"platforms": ["linux-x86_64"]}, r"native\.macos-arm64: is none of platforms"),
        ({"archives": None}, r"native\.macos-arm64: archives\.system_libraries does not say what its hosts bring"),
    ],
)
def test_a_platform_of_its_own_is_one_of_the_engines_and_says_what_its_hosts_bring(catalog, changed, why):
    document = catalog.engine("llama.cpp").model_dump(mode="json", exclude_none=True)
    with pytest.raises(ValidationError, match=why):
        EngineRecipe.model_validate({**document, **changed}, strict=False)


@pytest.mark.parametrize("option", ["{toolkit}", "{sdks}"])
def test_an_option_of_a_platform_has_no_place_to_fill_in_but_the_known(option):
    with pytest.raises(ValidationError, match="which is none of"):
        NativeBuild(options={"CMAKE_OSX_SYSROOT": option})
