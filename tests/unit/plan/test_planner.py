from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.model.actions import Compile, MakeBundle, Prove
from pipeline.model.host import Tool
from pipeline.model.source import HttpArchive
from pipeline.names import UnknownNameError, parse_target
from pipeline.plan import BuildRequest, PlanInputs, github_matrix, make_plan

CPU = parse_target("llama.cpp/linux-x86_64-cpu")
AVX2 = parse_target("llama.cpp/linux-x86_64-avx2")


def tool(name: str, version: str = "1.0", vendor: str = "") -> Tool:
    return Tool(name=name, path=f"/usr/bin/{name}", version=version, vendor=vendor)


INPUTS = PlanInputs(
    platform="linux-x86_64",
    glibc="2.36",
    tools={
        "cc": tool("gcc", "12.2.0", "gcc"),
        "cxx": tool("g++", "12.2.0", "gcc"),
        **{name: tool(name) for name in ("cmake", "ninja", "strip", "objcopy", "npm")},
        "node": tool("node", "20.1.0"),
    },
)


def keys(plan):
    return {step.name: step.key for step in plan.steps}


def test_each_step_comes_after_those_it_needs(catalog):
    seen = set()
    for step in make_plan(BuildRequest((CPU, AVX2)), catalog, INPUTS).steps:
        assert set(step.needs) <= seen
        seen.add(step.name)


def test_two_targets_share_source_core_and_model(catalog):
    plan = make_plan(BuildRequest((CPU, AVX2)), catalog, INPUTS)
    shared = {step.name for step in plan.steps if len(step.targets) == 2}
    assert shared == {
        "source llama.cpp b11434",
        "compile llama.cpp b11434 linux-x86_64 core",
        "layer llama.cpp b11434 linux-x86_64 core",
        "model gemma-3-270m-q4_k_m",
    }


def test_the_core_has_the_same_key_alone_and_beside_another_target(catalog):
    alone = keys(make_plan(BuildRequest((AVX2,)), catalog, INPUTS))
    both = keys(make_plan(BuildRequest((CPU, AVX2)), catalog, INPUTS))
    assert alone.items() <= both.items()


def test_another_release_changes_every_key_but_the_models(catalog):
    new = set(keys(make_plan(BuildRequest((AVX2,)), catalog, INPUTS)).values())
    old = keys(make_plan(BuildRequest((AVX2,), release="b11401"), catalog, INPUTS))
    assert {name for name, key in old.items() if key in new} == {"model gemma-3-270m-q4_k_m"}


def test_the_place_of_a_source_never_enters_a_key(catalog):
    def with_source(source):
        engine = catalog.engine("llama.cpp")
        pin = engine.releases[0].model_copy(update={"source": source})
        changed = engine.model_copy(update={"releases": (pin,)})
        return catalog.model_copy(update={"engines": {"llama.cpp": changed}})

    def archive(url):
        return HttpArchive(kind="http_archive", urls=(url,), filename="x.tar.gz", sha256="a" * 64)

    here = make_plan(BuildRequest((AVX2,)), with_source(archive("https://example.com/x.tar.gz")), INPUTS)
    there = make_plan(BuildRequest((AVX2,)), with_source(archive("https://example.org/y.tar.gz")), INPUTS)
    assert keys(here) == keys(there)


@pytest.mark.parametrize("name", ["cc", "cmake"])
def test_another_toolchain_compiles_anew(catalog, name):
    other = replace(INPUTS, tools={**INPUTS.tools, name: tool(name, "99.0")})
    before, after = (keys(make_plan(BuildRequest((AVX2,)), catalog, i)) for i in (INPUTS, other))
    step = "compile llama.cpp b11434 linux-x86_64 core"
    assert before[step] != after[step]
    assert before["source llama.cpp b11434"] == after["source llama.cpp b11434"]


def test_an_option_of_the_users_is_in_the_build_and_in_the_key(catalog):
    plain = make_plan(BuildRequest((AVX2,)), catalog, INPUTS)
    changed = make_plan(BuildRequest((AVX2,), cmake_options={"GGML_RPC": "ON"}), catalog, INPUTS)
    compiles = [step.action for step in changed.steps if isinstance(step.action, Compile)]
    assert all(action.component.options["GGML_RPC"] == "ON" for action in compiles)
    assert keys(plain)["bundle llama.cpp/linux-x86_64-avx2 b11434"] not in keys(changed).values()


def test_no_build_is_tuned_to_the_build_machine(catalog):
    plan = make_plan(BuildRequest((CPU, AVX2)), catalog, INPUTS)
    compiles = [step.action for step in plan.steps if isinstance(step.action, Compile)]
    assert {action.component.options["GGML_NATIVE"] for action in compiles} == {"OFF"}


def test_the_build_number_is_passed_in(catalog):
    plan = make_plan(BuildRequest((AVX2,), release="b11401"), catalog, INPUTS)
    (action,) = [s.action for s in plan.steps if isinstance(s.action, Compile) and s.action.component_name == "core"]
    assert action.pin_options["LLAMA_BUILD_NUMBER"] == "11401"


def test_the_web_interface_is_a_step_of_its_own_that_only_the_core_needs(catalog):
    plan = make_plan(BuildRequest((AVX2,), web_ui=True), catalog, INPUTS)
    needing = [step.name for step in plan.steps if "web-ui llama.cpp b11434" in step.needs]
    assert needing == ["compile llama.cpp b11434 linux-x86_64 core with web-ui"]
    off = keys(make_plan(BuildRequest((AVX2,), web_ui=False), catalog, INPUTS))
    assert not any("web-ui" in name for name in off)


@pytest.mark.parametrize(("level", "model"), [("none", False), ("load", False), ("run", True)])
def test_the_model_is_brought_only_for_a_proof_that_runs(catalog, level, model):
    plan = make_plan(BuildRequest((AVX2,), prove=level), catalog, INPUTS)
    assert any(step.name.startswith("model ") for step in plan.steps) is model
    (proof,) = [step.action for step in plan.steps if isinstance(step.action, Prove)]
    assert proof.level == level


def test_every_bundle_needs_its_proof(catalog):
    plan = make_plan(BuildRequest((CPU, AVX2)), catalog, INPUTS)
    for step in plan.steps:
        if isinstance(step.action, MakeBundle):
            assert step.action.proof in step.needs


def test_what_this_host_cannot_build_is_refused_with_the_place_that_can(catalog):
    with pytest.raises(HostError, match="cannot be built on macos-arm64") as caught:
        make_plan(BuildRequest((CPU,), source="build"), catalog, replace(INPUTS, platform="macos-arm64"))
    assert "linux-x86_64" in caught.value.hint


def test_only_fetching_finds_no_pinned_upstream_release(catalog):
    with pytest.raises(NothingSelectedError):
        make_plan(BuildRequest((AVX2,), source="fetch"), catalog, INPUTS)


def test_an_unknown_release_is_refused(catalog):
    with pytest.raises(UnknownNameError):
        make_plan(BuildRequest((CPU,), release="b1"), catalog, INPUTS)


def test_the_github_matrix_has_one_job_a_platform():
    runners = {"linux-x86_64": "ubuntu-24.04"}
    assert github_matrix((AVX2, CPU), runners=runners, release=None, source="auto") == {
        "include": [
            {
                "platform": "linux-x86_64",
                "runner": "ubuntu-24.04",
                "targets": "llama.cpp/linux-x86_64-avx2,llama.cpp/linux-x86_64-cpu",
                "release": "",
                "source": "auto",
            }
        ]
    }


def test_source_date_epoch_wins_over_the_date_of_the_release(catalog):
    plan = make_plan(BuildRequest((AVX2,), epoch_seconds=7), catalog, INPUTS)
    assert {s.action.epoch_seconds for s in plan.steps if isinstance(s.action, Compile | MakeBundle)} == {7}


@pytest.mark.parametrize("name", ["CMAKE_CXX_FLAGS", "FETCHCONTENT_FULLY_DISCONNECTED", "LLAMA_BUILD_NUMBER"])
def test_an_option_that_the_build_sets_itself_is_refused(catalog, name):
    with pytest.raises(UsageError, match=name):
        make_plan(BuildRequest((AVX2,), cmake_options={name: "x"}), catalog, INPUTS)
