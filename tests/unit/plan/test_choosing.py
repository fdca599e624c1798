from __future__ import annotations

import pytest

from pipeline.errors import HostError, NothingSelectedError
from pipeline.names import UnknownNameError, parse_target
from pipeline.plan import BuildRequest, default_release, releases_of
from pipeline.plan.choosing import decide, needs_network
from tests.simulators.pins import release, with_releases

LINUX = parse_target("llama.cpp/linux-x86_64-cpu")
AVX2 = parse_target("llama.cpp/linux-x86_64-avx2")
VULKAN = parse_target("llama.cpp/linux-x86_64-vulkan")
WINDOWS = parse_target("llama.cpp/windows-x86_64-cpu")
HERE = "linux-x86_64"


@pytest.fixture
def pinned(catalog):
    """The shipped sources (b11434, b11401), and archives of b10892, b10900 and the default release."""
    linux, windows = ("linux.tar.gz",), ("win.zip",)
    return with_releases(
        catalog,
        release("b10892", {"linux-x86_64-cpu": linux, "linux-x86_64-vulkan": linux, "windows-x86_64-cpu": windows}),
        release("b9900", {"linux-x86_64-cpu": linux, "windows-x86_64-cpu": windows}),
        release("b11401", {"linux-x86_64-cpu": linux}),
    )


def chosen(catalog, target, *, unreachable="", platform=HERE, no_toolkit=None, **asked):
    request = BuildRequest((target,), **asked)
    return decide(target, request, catalog, platform=platform, unreachable=unreachable, no_toolkit=no_toolkit)


def test_releases_are_sorted_by_number(pinned):
    assert releases_of(LINUX, pinned) == (("b11401", "b10892", "b9900"), ("b11434", "b11401"))
    assert releases_of(AVX2, pinned) == ((), ("b11434", "b11401"))


def test_auto_builds_the_recipes_release_where_nothing_of_it_is_pinned(pinned):
    decision = chosen(pinned, LINUX)
    assert (decision.version, decision.origin) == ("b11434", "built")
    assert "no archive" in decision.why


def test_auto_fetches_a_release_that_has_the_target(pinned):
    decision = chosen(pinned, LINUX, release="b11401")
    assert (decision.version, decision.origin) == ("b11401", "fetched")


def test_auto_builds_when_upstream_cannot_be_reached_and_says_so(pinned):
    decision = chosen(pinned, LINUX, release="b11401", unreachable="the server does not answer")
    assert (decision.version, decision.origin) == ("b11401", "built")
    assert "the server does not answer" in decision.why


def test_auto_still_fetches_what_cannot_be_built_here(pinned):
    decision = chosen(pinned, WINDOWS, unreachable="the server does not answer")
    assert (decision.version, decision.origin) == ("b10892", "fetched")


def test_without_a_release_the_newest_one_with_the_target_is_meant(pinned):
    assert default_release(WINDOWS, pinned, builds=False) == "b10892"
    assert chosen(pinned, LINUX, source="fetch").version == "b11401"


def test_what_can_only_be_built_elsewhere_is_fetched_from_a_release_that_has_it(pinned):
    assert chosen(pinned, LINUX).version == "b11434"
    elsewhere = chosen(pinned, LINUX, platform="macos-arm64")
    assert (elsewhere.version, elsewhere.origin) == ("b11401", "fetched")


def test_without_a_toolkit_archives_are_fetched_unless_a_build_is_asked_for(pinned):
    lacking = HostError("no toolkit")
    decision = chosen(pinned, VULKAN, no_toolkit=lacking)
    assert (decision.version, decision.origin) == ("b10892", "fetched")
    assert chosen(pinned, VULKAN).origin == "built"
    for asked in (
        {"source": "build"},
        {"insisted_options": frozenset({"GGML_LTO"}), "cmake_options": {"GGML_LTO": "ON"}},
    ):
        with pytest.raises(HostError, match="no toolkit"):
            chosen(pinned, VULKAN, no_toolkit=lacking, **asked)


def test_only_where_it_decides_something_is_upstream_asked(pinned):
    asked = {
        target: needs_network(
            target, BuildRequest((target,), release=wanted, source=source), pinned, builds=target.platform == HERE
        )
        for target, wanted, source in ((LINUX, "b11401", "auto"), (WINDOWS, None, "auto"), (AVX2, "b11401", "auto"))
    }
    assert asked == {LINUX: "b11401", WINDOWS: None, AVX2: None}
    assert needs_network(LINUX, BuildRequest((LINUX,), release="b11401", source="fetch"), pinned, builds=True) is None


def test_options_of_this_command_lead_to_a_build_where_both_ways_are_open(pinned):
    asked = {"release": "b11401", "cmake_options": {"GGML_LTO": "ON"}}
    assert chosen(pinned, LINUX, **asked).origin == "fetched", "a project's defaults keep nothing from being fetched"
    assert chosen(pinned, LINUX, **asked, insisted_options=frozenset({"GGML_LTO"})).origin == "built"
    assert chosen(pinned, LINUX, release="b11401", web_ui=True).origin == "built"


def test_fetching_a_release_without_the_target_names_those_that_have_it(pinned):
    with pytest.raises(NothingSelectedError, match="no archives of b11434 are pinned") as caught:
        chosen(pinned, LINUX, source="fetch", release="b11434")
    assert "b11401, b10892" in caught.value.hint
    assert "--source build" in caught.value.hint
    assert caught.value.exit_code == 3


def test_building_a_release_of_which_only_archives_are_pinned_is_refused(pinned):
    with pytest.raises(NothingSelectedError, match="source of b10892 is not pinned"):
        chosen(pinned, LINUX, source="build", release="b10892")


def test_a_target_that_no_recipe_compiles_is_not_built(catalog):
    arm64 = parse_target("llama.cpp/windows-arm64-cpu")
    pinned = with_releases(catalog, release("b10892", {"windows-arm64-cpu": ("win.zip",)}))
    with pytest.raises(NothingSelectedError, match="no recipe says how") as caught:
        chosen(pinned, arm64, source="build")
    assert "b10892" in caught.value.hint


def test_nothing_is_built_for_another_platform(pinned):
    with pytest.raises(HostError, match="cannot be built on macos-arm64"):
        chosen(pinned, LINUX, source="build", platform="macos-arm64")


@pytest.mark.parametrize("source", ["auto", "fetch", "build"])
def test_a_release_that_is_not_pinned_is_named(pinned, source):
    with pytest.raises(UnknownNameError, match="'b1'"):
        chosen(pinned, LINUX, source=source, release="b1")


def test_what_cannot_run_here_is_measured_only_and_the_reason_is_kept(pinned):
    decision = chosen(pinned, WINDOWS)
    assert decision.proof == "none"
    assert "cannot be run on linux-x86_64" in decision.proof_why


def test_a_proof_that_was_asked_for_is_never_quietly_left_out(pinned):
    with pytest.raises(HostError, match="cannot be proven here"):
        chosen(pinned, WINDOWS, prove="run")


def test_less_proof_on_request_needs_no_reason(pinned):
    decision = chosen(pinned, LINUX, prove="none")
    assert (decision.proof, decision.proof_why) == ("none", "")
    assert chosen(pinned, LINUX).proof == "run"
