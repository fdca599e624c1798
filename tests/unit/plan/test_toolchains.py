from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import HostError, UsageError
from pipeline.model.actions import Compile, MakeBundle, MakeLayer, Prove
from pipeline.model.host import Tool
from pipeline.model.toolchain import FoundRunner
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, PlanInputs, make_plan
from pipeline.plan.choosing import decide
from pipeline.plan.toolchains import choose_toolchain

HERE = "linux-x86_64"
NATIVE = parse_target("llama.cpp/linux-x86_64-avx2")
ARM = parse_target("llama.cpp/linux-arm64-cpu")
WINDOWS = parse_target("llama.cpp/windows-x86_64-avx2")
WINDOWS_VARIANTS = parse_target("llama.cpp/windows-x86_64-cpu")
MACOS = parse_target("llama.cpp/macos-arm64-cpu")
METAL = parse_target("llama.cpp/macos-arm64-metal")
NAMES = ("cc", "cxx", "cmake", "ninja", "strip", "objcopy")
QEMU = FoundRunner(title="qemu-user 7.2", argv=("/usr/bin/qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"))
INPUTS = PlanInputs(
    platform=HERE,
    glibc="2.36",
    tools={name: Tool(name=name, path=f"/usr/bin/{name}", version="1.2.3", vendor="gcc") for name in NAMES},
    runners={str(ARM): QEMU},
    no_runner={str(ARM): ""},
)


def planned(catalog, target, inputs=INPUTS, **asked):
    return make_plan(BuildRequest((target,), source="build", **asked), catalog, inputs)


def of_kind(plan, kind):
    return [step.action for step in plan.steps if isinstance(step.action, kind)]


def keys(plan, kind):
    return [step.key for step in plan.steps if isinstance(step.action, kind)]


def chosen(catalog, target, platform=HERE, **asked):
    return choose_toolchain(target, BuildRequest((target,), **asked), catalog, platform=platform)


def test_the_machines_own_compiler_builds_for_its_own_platform(catalog):
    assert chosen(catalog, NATIVE) is None
    assert chosen(catalog, NATIVE, toolchain="native") is None
    assert of_kind(planned(catalog, NATIVE), Compile)[0].cross is None


@pytest.mark.parametrize("target", [ARM, WINDOWS, WINDOWS_VARIANTS, MACOS])
def test_other_platforms_are_built_with_what_builds_for_them(catalog, target):
    assert chosen(catalog, target).title == "zig 0.17.1"
    assert planned(catalog, target).decisions[0].toolchain == "zig"


def test_its_own_platform_too_where_that_was_asked_for(catalog):
    (core, backend) = of_kind(planned(catalog, NATIVE, toolchain="zig"), Compile)
    assert core.cross.options["GGML_OPENMP"] == backend.cross.options["GGML_OPENMP"] == "OFF"
    assert "x86_64-linux-gnu.2.28" in core.cross.wrappers["cc"]
    assert core.toolchain == {"cmake": "gcc 1.2.3", "zig": "0.17.1 for x86_64-linux-gnu.2.28"}
    assert core.compile_flags == ()
    assert core.place.endswith("-zig"), "another compiler in the same folder would start the build over each time"


def test_what_nothing_builds_here_says_where_it_is_built(catalog):
    with pytest.raises(HostError, match="cannot be built on windows-x86_64") as caught:
        chosen(catalog, MACOS, platform="windows-x86_64")
    assert "build it on linux-arm64 or linux-x86_64" in caught.value.hint
    with pytest.raises(HostError, match="with its own compiler"):
        chosen(catalog, WINDOWS, toolchain="native")


def test_a_toolchain_that_does_not_build_a_target_says_what_it_builds(catalog):
    with pytest.raises(UsageError, match=r"zig does not build llama\.cpp/macos-arm64-metal") as caught:
        chosen(catalog, METAL, toolchain="zig")
    assert "llama.cpp/windows-x86_64-avx2" in caught.value.hint
    with pytest.raises(HostError, match="zig is not pinned for macos-arm64"):
        chosen(catalog, MACOS, platform="macos-arm64", toolchain="zig")


def test_archives_are_still_fetched_where_no_build_is_asked_for(catalog):
    decision = decide(ARM, BuildRequest((ARM,)), catalog, platform=HERE)
    assert (decision.origin, decision.toolchain) == ("fetched", "")
    asked = decide(ARM, BuildRequest((ARM,), toolchain="zig"), catalog, platform=HERE)
    assert (asked.origin, asked.toolchain) == ("built", "zig")


def test_wrappers_are_in_the_keys_and_places_are_not(catalog):
    zig = catalog.toolchains["zig"]
    targets = tuple(target.model_copy(update={"triple": f"{target.triple}9"}) for target in zig.targets)
    newer = catalog.model_copy(update={"toolchains": {"zig": zig.model_copy(update={"targets": targets})}})
    assert not set(keys(planned(catalog, ARM), Compile)) & set(keys(planned(newer, ARM), Compile))
    moved = replace(INPUTS, runners={str(ARM): QEMU.model_copy(update={"argv": ("/opt/qemu",)})})
    assert keys(planned(catalog, ARM), MakeBundle) == keys(planned(catalog, ARM, moved), MakeBundle)
    other = replace(INPUTS, runners={str(ARM): QEMU.model_copy(update={"title": "qemu-user 10"})})
    assert keys(planned(catalog, ARM), MakeBundle) != keys(planned(catalog, ARM, other), MakeBundle)


def test_how_patient_a_proof_is_with_its_runner_is_in_no_key(catalog):
    slower = replace(INPUTS, runners={str(ARM): QEMU.model_copy(update={"slowness": 50})})
    assert keys(planned(catalog, ARM), Prove) == keys(planned(catalog, ARM, slower), Prove)


def test_a_toolchains_packages_are_in_the_provenance(catalog):
    (bundle,) = of_kind(planned(catalog, ARM), MakeBundle)
    assert [material.uri for material in bundle.materials][1:] == ["pkg:pypi/ziglang@0.17.1"]


def test_where_libraries_cannot_be_made_there_is_one_layer_with_everything(catalog):
    plan = planned(catalog, WINDOWS, prove="none")
    (compiled,), (layer,) = of_kind(plan, Compile), of_kind(plan, MakeLayer)
    assert compiled.cross.options["BUILD_SHARED_LIBS"] == "OFF"
    assert compiled.component.options["GGML_AVX2"] == compiled.component.options["GGML_CPU"] == "ON"
    assert compiled.component.outputs == ("llama-server.exe", "llama-bench.exe")
    assert compiled.component.unity == {}
    assert (layer.layer_name, layer.role, bool(layer.licenses)) == ("core-avx2", "core", True)
    (proof,) = of_kind(plan, Prove)
    assert proof.health.expect_devices == (), "a backend that is inside is listed as no device"
    assert proof.requires_cpu == catalog.accelerators["avx2"].requires_cpu


def test_files_are_called_as_their_system_calls_them(catalog):
    core, backend = of_kind(planned(catalog, MACOS), Compile)
    assert "libggml-base.*dylib" in core.component.outputs
    assert backend.component.outputs == ("libggml-cpu-*.so",), "a plug-in is called .so on macOS too"


def test_an_option_of_the_users_own_counts_more_than_the_toolchains(catalog):
    core, _ = of_kind(planned(catalog, ARM, cmake_options={"GGML_OPENMP": "ON"}), Compile)
    assert core.component.options["GGML_OPENMP"] == "ON"
    assert "GGML_OPENMP" not in core.cross.options


def test_the_proof_holds_what_the_toolchain_promises(catalog):
    (arm,), (native,) = (of_kind(planned(catalog, target), Prove) for target in (ARM, NATIVE))
    assert (arm.level, arm.runner, arm.glibc_floor) == ("run", QEMU, "2.28")
    assert "libgomp.so.1" not in arm.system_libraries
    assert (native.runner, native.glibc_floor) == (None, None)


def test_without_anything_that_runs_it_a_target_is_measured_only(catalog):
    lacking = replace(INPUTS, runners={}, no_runner={str(ARM): "it needs qemu-user to be run here, and there is none"})
    decision = planned(catalog, ARM, lacking).decisions[0]
    assert (decision.proof, decision.proof_why) == ("none", "it needs qemu-user to be run here, and there is none")
    with pytest.raises(HostError, match="cannot be proven here: it needs qemu-user") as caught:
        planned(catalog, ARM, lacking, prove="run")
    assert "apt install qemu-user-static" in caught.value.hint
    assert planned(catalog, MACOS).decisions[0].proof == "none"


def test_also_on_its_own_platform_what_only_a_toolchain_builds_is_fetched_where_it_can_be(catalog):
    assert decide(ARM, BuildRequest((ARM,)), catalog, platform="linux-arm64").origin == "fetched"
    built = decide(ARM, BuildRequest((ARM,), source="build"), catalog, platform="linux-arm64")
    assert (built.toolchain, built.proof) == ("zig", "run"), "there it runs by itself"


@pytest.mark.parametrize(
    ("target", "machine"),
    [(NATIVE, HERE), (ARM, "linux-arm64"), (MACOS, "macos-arm64"), (WINDOWS, HERE), (METAL, "macos-arm64")],
)
def test_jobs_run_on_a_machine_that_can_make_the_target(catalog, target, machine):
    assert catalog.machine_of(target) == machine
