from __future__ import annotations

import pytest

from pipeline.catalog import Catalog, job_name, load_workflows
from pipeline.errors import UsageError
from pipeline.model.recipe import AcceleratorRecipe
from pipeline.model.workflows import WorkflowRecipes
from pipeline.workflows import (
    Job,
    choose_runners,
    crossed_for_macs,
    kept_elsewhere,
    plan_jobs,
    plan_proofs,
    read_runners,
)

BUILT = ("cpu", "avx2", "vulkan")


@pytest.fixture(scope="module")
def recipes(catalog, recipes_dir) -> WorkflowRecipes:
    return load_workflows(recipes_dir, catalog)


@pytest.fixture
def building(catalog) -> Catalog:
    """Return the catalog with a Vulkan backend that is built on Linux, whatever the recipes say today."""
    engine = catalog.accelerators["avx2"].engines["llama.cpp"]
    vulkan = catalog.accelerators["vulkan"].model_copy(update={"engines": {"llama.cpp": engine}})
    accelerators = {name: catalog.accelerators[name] for name in ("cpu", "avx2", "cuda", "rocm", "openvino", "opencl")}
    accelerators = {name: recipe.model_copy(update=_unbuilt(name, recipe)) for name, recipe in accelerators.items()}
    return catalog.model_copy(update={"accelerators": {**catalog.accelerators, **accelerators, "vulkan": vulkan}})


def _unbuilt(name: str, recipe: AcceleratorRecipe) -> dict:
    return {} if name in BUILT else {"engines": {}}


def jobs(catalog: Catalog, recipes: WorkflowRecipes, *patterns: str, **asked: str) -> dict[str, Job]:
    targets = [target for target in catalog.targets() if not patterns or any(target.is_named(p) for p in patterns)]
    asked = {platform.replace("__", "-"): label for platform, label in asked.items()}
    runners = choose_runners("github", recipes, asked)
    planned = plan_jobs(targets, catalog, packages=recipes.packages, runners=runners)
    return {job.name: job for job in planned}


def test_targets_without_a_toolkit_share_a_job_and_a_toolkit_has_its_own(building, recipes):
    planned = jobs(building, recipes, "llama.cpp/linux-x86_64-*")
    assert planned["llama.cpp-linux-x86_64-cpu"].targets == (
        "llama.cpp/linux-x86_64-avx2",
        "llama.cpp/linux-x86_64-cpu",
    )
    vulkan = planned["llama.cpp-linux-x86_64-vulkan"]
    assert (vulkan.targets, vulkan.source) == (("llama.cpp/linux-x86_64-vulkan",), "build")
    assert set(vulkan.apt) > {"g++", "glslc", "libvulkan-dev"}


def test_a_vendors_repository_is_that_of_the_accelerators_version(catalog, recipes):
    planned = jobs(catalog, recipes, "llama.cpp/linux-x86_64-rocm-*")
    urls = {name: job.apt_repository.url for name, job in planned.items() if job.apt_repository}
    assert urls["llama.cpp-linux-x86_64-rocm-7.0"] == "https://repo.radeon.com/rocm/apt/7.0"
    assert len(set(urls.values())) == len(urls)


def test_a_toolkit_without_pinned_packages_is_installed_from_its_vendor_and_one_with_them_is_not(catalog, recipes):
    planned = jobs(catalog, recipes, "llama.cpp/linux-x86_64-cuda-*")
    installed, packaged = (planned[f"llama.cpp-linux-x86_64-cuda-{version}"] for version in ("12.9", "13.0"))
    assert {"cuda-nvcc-12-9", "cuda-cudart-dev-12-9", "libcublas-dev-12-9", "g++"} <= set(installed.apt)
    assert installed.apt_repository is not None
    assert installed.apt_repository.suite == "/"
    assert packaged.apt_repository is None
    assert [package for package in packaged.apt if "cu" in package] == []


def test_only_what_a_software_device_can_run_on_its_own_platform_is_proven_on_one(building, recipes):
    planned = jobs(building, recipes)
    assert {name for name, job in planned.items() if job.prove} == {"llama.cpp-linux-x86_64-vulkan"}
    assert planned["llama.cpp-linux-x86_64-vulkan"].prove == "run"
    assert "llama.cpp/linux-arm64-vulkan" in planned["llama.cpp-linux-arm64-fetched"].targets


def test_another_runner_keeps_what_is_cross_built_where_it_was(catalog, recipes):
    planned = jobs(catalog, recipes, windows__x86_64="windows-2022", macos__arm64="mac", linux__arm64="graviton")
    kept = kept_elsewhere(planned.values(), ("windows-x86_64", "macos-arm64", "linux-arm64"))
    assert [(job.targets, job.runner) for job in kept] == [
        (("llama.cpp/windows-x86_64-avx2", "llama.cpp/windows-x86_64-cpu"), "linux-x86_64"),
    ]
    assert kept_elsewhere(planned.values(), ("linux-x86_64",)) == ()


def test_every_archive_that_is_pinned_is_proven_before_the_pin_is_proposed_also_where_a_recipe_compiles(
    catalog, recipes
):
    planned = plan_proofs(catalog.targets(), catalog, runners=choose_runners("github", recipes, {}))
    pinned = {f"llama.cpp/{short}" for one in catalog.upstream["llama.cpp"].values() for short in one.targets}
    proven = [t for t in catalog.targets() if any(t.is_named(p) for job in planned for p in job.targets)]
    assert {str(target) for target in proven} == pinned
    assert {"llama.cpp/macos-arm64-metal", "llama.cpp/windows-x86_64-cpu", "llama.cpp/linux-x86_64-cpu"} <= pinned
    assert {job.source for job in planned} == {"fetch"}


def test_a_mac_builds_what_it_has_compilers_for_by_itself(building, recipes):
    job = jobs(building, recipes)["llama.cpp-macos-arm64-cpu"]
    assert job.targets == ("llama.cpp/macos-arm64-cpu", "llama.cpp/macos-arm64-metal"), "they share one core"
    assert (job.runner, job.system, job.source, job.apt) == ("macos-arm64", "macos", "build", ())


def test_a_mac_is_asked_to_run_what_linux_builds_for_macs_and_cannot_run(catalog):
    (crossed,) = crossed_for_macs(catalog.targets(), catalog, host="linux-x86_64")
    assert crossed == ("macos-arm64", "llama.cpp/macos-arm64-cpu", "zig")
    assert crossed_for_macs(catalog.targets(), catalog, host="macos-arm64") == ()


def test_a_target_s_job_is_called_as_it_is_said_where_the_target_cannot_be_built(building, recipes):
    planned = jobs(building, recipes)
    for target in building.targets():
        job = planned[job_name(target, building)]
        assert any(target.is_named(pattern) for pattern in job.targets)


def test_what_runs_the_programs_of_another_platform_is_installed_where_they_are_cross_built(building, recipes):
    zig = building.toolchains["zig"]
    targets = tuple(
        target.model_copy(update={"runner": target.runner and target.runner.model_copy(update={"apt": ("emulator",)})})
        for target in zig.targets
    )
    toolchains = {"zig": zig.model_copy(update={"targets": targets})}
    planned = jobs(building.model_copy(update={"toolchains": toolchains}), recipes)
    assert "emulator" in planned["llama.cpp-windows-x86_64-cpu"].apt
    assert "emulator" not in planned["llama.cpp-linux-arm64-cpu"].apt, "that one's runner is of its own platform"


def test_every_target_is_in_one_job(building, recipes):
    planned = jobs(building, recipes)
    for target in building.targets():
        homes = [job for job in planned.values() if any(target.is_named(pattern) for pattern in job.targets)]
        assert len(homes) == 1, target


def test_what_is_fetched_is_asked_for_by_a_glob_so_that_a_pin_of_another_cuda_changes_no_workflow(building, recipes):
    fetched = jobs(building, recipes)["llama.cpp-windows-x86_64-fetched"]
    assert "llama.cpp/windows-x86_64-cuda-*" in fetched.targets
    assert fetched.apt == ()


def test_a_glob_never_takes_a_target_that_was_not_asked_for(building, recipes):
    fetched = jobs(building, recipes, "windows-x86_64-cuda-12.4")["llama.cpp-windows-x86_64-fetched"]
    assert fetched.targets == ("llama.cpp/windows-x86_64-cuda-12.4",)


def test_windows_is_made_on_linux_unless_another_runner_is_named(building, recipes):
    job = jobs(building, recipes)["llama.cpp-windows-x86_64-fetched"]
    assert (job.runner, job.system) == ("linux-x86_64", "linux")
    job = jobs(building, recipes, windows__x86_64="windows-2022")["llama.cpp-windows-x86_64-fetched"]
    assert (job.runner, job.system) == ("windows-x86_64", "windows")


def test_a_runner_of_a_system_of_which_nothing_is_known_is_refused(building, recipes):
    with pytest.raises(UsageError, match="windows runner") as refused:
        jobs(building, recipes, "llama.cpp/linux-x86_64-vulkan", linux__x86_64="windows-2022")
    assert "[kinds.vulkan.windows]" in refused.value.hint


def test_an_environment_is_a_job_of_its_own(building, recipes):
    job = jobs(building, recipes)["mlx-lm-macos-arm64-mlx"]
    assert (job.targets, job.source, job.system) == (("mlx-lm/macos-arm64-mlx",), "auto", "macos")


@pytest.mark.parametrize(
    "text", ["linux-x86_64", "linux-x86_64=", "linux-x86_64=a b", "linux-x86_64=${{ x }}", "linux-x86_64=-x", "vms=x"]
)
def test_a_runner_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        read_runners([text])


def test_another_spelling_of_a_platform_is_answered_with_ours():
    with pytest.raises(UsageError) as refused:
        read_runners(["osx-arm64=mac"])
    assert "macos-arm64" in refused.value.hint


def test_a_platform_that_is_named_twice_is_refused():
    with pytest.raises(UsageError, match="once"):
        read_runners(["linux-x86_64=a", "linux-x86_64=b"])


def test_a_tag_of_gitlab_brings_the_image_of_its_platform(recipes):
    runners = choose_runners("gitlab", recipes, {"macos-x86_64": "mac-mini", "linux-arm64": "graviton"})
    assert runners.label("macos-x86_64") == "mac-mini"
    assert runners.by_platform["linux-arm64"].image == recipes.gitlab.runners["linux-arm64"].image
    assert "macos-x86_64" not in runners.made_on
