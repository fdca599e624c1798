"""Plans of wheels: options from the recipes of another engine and its accelerators, and what there is no wheel of."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from pipeline.catalog import load
from pipeline.catalog.environments import read_environment
from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.model.host import HostFacts, Tool
from pipeline.model.layer_action import LayerAction
from pipeline.model.result import BlobRef
from pipeline.model.time_stamps import LASTING_EPOCH_SECONDS
from pipeline.names import UnknownNameError
from pipeline.plan import BuildRequest
from pipeline.plan.wheel_building import WheelRequest, buildable, find_tools, options_of, other_versions, plan_wheel
from pipeline.plan.wheel_bundling import bundle_engine, bundle_target, plan_bundle, with_wheel

PLATFORM = "linux-x86_64"
TOOLS = {
    name: Tool(name=name, path=f"/usr/bin/{name}", version="12.2.0", vendor=vendor)
    for name, vendor in (("cc", "gcc"), ("cxx", "gcc"), ("cmake", ""), ("ninja", ""))
}


@pytest.fixture(scope="module")
def catalog():
    return load(Path(__file__).resolve().parents[3] / "recipes")


VERSIONS = {"glibc": "2.36", "scikit-build-core": "1.1.0"}


class Host:
    """A machine with tools and a glibc; implements what of ``ports.HostProbe`` is asked."""

    def __init__(self, **tools):
        self.tools = {**TOOLS, **tools}

    def facts(self):
        return HostFacts(platform=PLATFORM, system="test", cpu_count=1, cpu_features=(), glibc="2.36", memory_bytes=0)

    def tool(self, name, *, minimum=None):
        return self.tools.get(name)


def planned(catalog, *, tools=TOOLS, versions=VERSIONS, environment=None, **request):
    asked = WheelRequest("llama-cpp-python", **{"accel": "avx2", **request})
    return plan_wheel(asked, catalog, platform=PLATFORM, tools=tools, versions=versions, environment=environment)


def with_recipe(catalog, **changes):
    recipe = catalog.wheels["llama-cpp-python"].model_copy(update=changes)
    return catalog.model_copy(update={"wheels": {"llama-cpp-python": recipe}})


def test_an_accelerators_options_must_be_known_and_the_engines_may_be(catalog):
    action = planned(catalog).steps[1].action
    assert action.options["GGML_AVX2"] == "ON"
    assert action.options_if_known["GGML_RPC"] == "OFF"
    assert not set(action.options) & set(action.options_if_known)


def test_a_wheels_own_options_win(catalog):
    assert planned(catalog).steps[1].action.options["GGML_BACKEND_DL"] == "OFF"
    changed = with_recipe(catalog, options={"GGML_AVX2": "OFF"})
    assert planned(changed).steps[1].action.options["GGML_AVX2"] == "OFF"


def test_files_may_be_compiled_for_what_the_accelerators_say(catalog):
    assert planned(catalog).steps[1].action.requires_cpu == catalog.accelerators["avx2"].requires_cpu


def test_another_compiler_is_another_key_and_another_folder_is_not(catalog):
    newer = {**TOOLS, "cc": TOOLS["cc"].model_copy(update={"version": "13.1.0"})}
    elsewhere = {name: tool.model_copy(update={"path": f"/opt/{name}"}) for name, tool in TOOLS.items()}
    keys = [planned(catalog, tools=tools).steps[1].key for tools in (TOOLS, newer, elsewhere)]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


@pytest.mark.parametrize("name", ["glibc", "scikit-build-core"])
def test_another_system_or_backend_is_another_key(catalog, name):
    newer = planned(catalog, versions={**VERSIONS, name: "99"}).steps[1]
    assert newer.key != planned(catalog).steps[1].key
    assert newer.action.toolchain[name] == "99"


def test_the_versions_are_those_of_this_machine():
    backend = importlib.metadata.version("scikit-build-core")
    assert other_versions(Host()) == {"glibc": "2.36", "scikit-build-core": backend}


def test_a_compiler_that_is_too_old_is_named_as_that(catalog):
    old = TOOLS["cxx"].model_copy(update={"version": "8.3"})
    with pytest.raises(HostError, match=r"/usr/bin/cxx is gcc 8\.3, and 9 or newer"):
        find_tools(catalog.wheels["llama-cpp-python"], Host(cxx=old))


def test_a_missing_tool_says_what_to_install(catalog):
    with pytest.raises(HostError, match="a C compiler is needed") as caught:
        find_tools(catalog.wheels["llama-cpp-python"], Host(cc=None))
    assert "apt install g++" in caught.value.hint


def test_how_long_a_proof_may_take_is_in_no_key(catalog):
    recipe = catalog.wheels["llama-cpp-python"]
    environment = read_environment(Path(catalog.envs_dir) / recipe.environment, PLATFORM)
    patient = with_recipe(catalog, proof=recipe.proof.model_copy(update={"timeout_seconds": 86_400}))
    other = with_recipe(catalog, proof=recipe.proof.model_copy(update={"prompt": "Why?"}))
    keys = [planned(which, environment=environment).steps[-1].key for which in (catalog, patient, other)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_the_time_stamp_is_the_releases_date_or_what_is_asked_for(catalog):
    assert planned(catalog).steps[1].action.epoch_seconds == 1_790_812_800
    assert planned(catalog, epoch_seconds=7).steps[1].action.epoch_seconds == 7


def test_the_layers_of_its_bundle_have_a_time_stamp_that_no_release_changes(catalog):
    recipe = catalog.wheels["llama-cpp-python"]
    engine = bundle_engine(recipe, "avx2", catalog)
    blob = BlobRef(filename="llama_cpp_python-0.3.35-py3-none-any.whl", sha256="1" * 64, size_bytes=1)
    locked = read_environment(Path(catalog.envs_dir) / recipe.environment, PLATFORM)
    environment = with_wheel(locked, recipe, "0.3.35", blob)
    asked = BuildRequest((bundle_target(engine, PLATFORM),), prove="none", wheels_only=True)
    actions = [step.action for step in plan_bundle(engine, environment, asked, catalog, Host()).steps]
    assert {a.layer_name: a.epoch_seconds for a in actions if isinstance(a, LayerAction)} == dict.fromkeys(
        ("wheels", "engine", "installer"), LASTING_EPOCH_SECONDS
    )


def test_a_refused_accelerator_is_refused_with_its_reason(catalog):
    with pytest.raises(NothingSelectedError, match="loads"):
        planned(catalog, accel="cpu")
    assert "cpu" not in buildable(catalog.wheels["llama-cpp-python"], catalog, PLATFORM)
    assert "avx2" in buildable(catalog.wheels["llama-cpp-python"], catalog, PLATFORM)


def test_an_accelerator_that_is_not_built_for_the_platform_is_refused(catalog):
    with pytest.raises(NothingSelectedError):
        options_of(catalog.wheels["llama-cpp-python"], "metal", catalog, PLATFORM)


@pytest.mark.parametrize("accel", ["cuda-13.0", "vulkan"])
def test_what_needs_a_toolkit_makes_no_wheel(catalog, accel):
    with pytest.raises(NothingSelectedError, match="toolkit"):
        planned(catalog, accel=accel)


def test_an_option_that_the_build_sets_itself_is_refused(catalog):
    with pytest.raises(UsageError, match="CMAKE_C_FLAGS"):
        planned(with_recipe(catalog, options={"CMAKE_C_FLAGS": "-O1"}))


@pytest.mark.parametrize("request_of", [{"release": "0.0.1"}, {"accel": "mlxx"}], ids=["a release", "an accelerator"])
def test_what_nobody_knows_is_an_error(catalog, request_of):
    with pytest.raises(UnknownNameError):
        planned(catalog, **request_of)
