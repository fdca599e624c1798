from __future__ import annotations

import pytest

from pipeline.errors import HostError, UsageError
from pipeline.model.environment import WheelFile
from pipeline.model.toolkit import Architectures, PackagedToolkit, Toolkit, ToolkitPlace
from pipeline.names import parse_target
from pipeline.plan.toolkits import architectures_of, choose_toolkit

CUDA = parse_target("llama.cpp/linux-x86_64-cuda-13.0")
VULKAN = parse_target("llama.cpp/linux-x86_64-vulkan")
WHEEL = WheelFile(project="nvcc", version="13.0", filename="nvcc-13.0-py3-none-any.whl", sha256="0" * 64, size_bytes=1)
PACKAGED = PackagedToolkit(version="13.0", platform="linux-x86_64", wheels=(WHEEL,), roots=("nvidia/cu13",))


def recipe(**changes) -> Toolkit:
    values = {
        "title": "CUDA",
        "versions": ("12.8", "13.0"),
        "variables": ("CUDA_PATH",),
        "places": ("/usr/local/cuda",),
        "program": "bin/nvcc",
        "version_args": ("--version",),
        "version_pattern": r"release (\S+)",
        "files": ("lib64/libcublas.so",),
        "install": "install it",
        "packaged": (PACKAGED,),
    }
    return Toolkit(**(values | changes))


def place(path="/usr/local/cuda", version="13.0", **changes) -> ToolkitPlace:
    return ToolkitPlace(path=path, version=version, **changes)


def chosen(*places, toolkit=None, target=CUDA, asked="auto", platform="linux-x86_64"):
    return choose_toolkit(target, toolkit or recipe(), places, platform=platform, asked=asked)


def test_the_systems_is_taken_where_it_is_whole_and_of_the_targets_version():
    found = chosen(place())
    assert (found.origin, found.path, found.version) == ("system", "/usr/local/cuda", "13.0")


def test_one_that_is_not_whole_is_passed_over_for_packages_and_that_is_said():
    found = chosen(place(lacking=("lib64/libcublas.so",)))
    assert (found.origin, found.path) == ("packaged", None)
    assert found.why == "/usr/local/cuda is not whole: it lacks lib64/libcublas.so"


def test_one_of_another_version_is_passed_over():
    found = chosen(place(version="12.8.93"))
    assert found.origin == "packaged"
    assert "is version 12.8.93, not 13.0" in found.why


def test_a_version_is_compared_by_number_and_not_as_text():
    assert chosen(place(version="13.0.88")).origin == "system"
    assert chosen(place(version="130.0")).origin == "packaged"


def test_one_that_a_variable_names_is_meant_and_never_passed_over():
    with pytest.raises(HostError, match=r"CUDA_PATH names /opt/cuda, which is version 12.8, not 13.0") as caught:
        chosen(place("/opt/cuda", "12.8", variable="CUDA_PATH"), place())
    assert "unset CUDA_PATH" in caught.value.hint
    assert "--toolkit packaged" in caught.value.hint


def test_the_one_that_a_variable_names_wins_over_the_usual_places():
    assert chosen(place("/opt/cuda", variable="CUDA_PATH"), place()).path == "/opt/cuda"


def test_a_folder_that_is_named_and_has_none_is_an_error():
    with pytest.raises(HostError, match=r"--toolkit names /there, which has no bin/nvcc"):
        chosen(ToolkitPlace(path="/there", version=None, lacking=("bin/nvcc",)), asked="/there")


def test_two_of_the_version_are_refused_until_one_is_named():
    with pytest.raises(UsageError, match=r"more than once: /a \(13\.0\) and /b \(13\.0\)") as caught:
        chosen(place("/a"), place("/b"))
    assert "--toolkit FOLDER or CUDA_PATH" in caught.value.hint


def test_without_any_and_without_packages_the_reasons_and_the_way_out_are_said():
    with pytest.raises(HostError, match=r"needs CUDA 13.0 to be built, and none was found") as caught:
        chosen(toolkit=recipe(packaged=()))
    assert caught.value.hint == "install it"
    with pytest.raises(HostError, match="none is whole here: /usr/local/cuda is not whole: it lacks x"):
        chosen(place(lacking=("x",)), toolkit=recipe(packaged=()))


def test_packages_of_another_platform_or_version_do_not_count():
    with pytest.raises(HostError, match="none was found") as caught:
        chosen(target=parse_target("llama.cpp/linux-x86_64-cuda-12.8"))
    assert caught.value.hint == "install it; or take version 13.0, of which packages are pinned"
    with pytest.raises(HostError):
        chosen(platform="linux-arm64")


def test_packages_are_offered_only_where_there_are_some_of_that_version():
    with pytest.raises(HostError) as caught:
        chosen(
            place("/opt/cuda", "13.0", variable="CUDA_PATH"), target=parse_target("llama.cpp/linux-x86_64-cuda-12.8")
        )
    assert caught.value.hint == "unset CUDA_PATH, or correct it"
    with pytest.raises(HostError) as caught:
        chosen(asked="system")
    assert caught.value.hint == "install it; or leave --toolkit out: packages of 13.0 are pinned"


def test_only_the_systems_or_only_packages_can_be_asked_for():
    assert chosen(place(), asked="packaged").origin == "packaged"
    with pytest.raises(HostError, match="none was found"):
        chosen(asked="system")
    with pytest.raises(HostError, match=r"no packages of CUDA 13.0 for linux-x86_64 are pinned"):
        chosen(toolkit=recipe(packaged=()), asked="packaged")


@pytest.mark.parametrize(
    ("version", "why"), [("11.0", "older than 11.7"), ("15.0", "only versions before 14 are known")]
)
def test_one_that_is_too_old_or_too_new_is_refused(version, why):
    unversioned = recipe(versions=(), packaged=(), minimum="11.7", below="14")
    with pytest.raises(HostError, match=why):
        chosen(place(version=version), toolkit=unversioned, target=VULKAN)
    assert chosen(place(version="13.5"), toolkit=unversioned, target=VULKAN).version == "13.5"


def test_all_architectures_that_a_toolkit_compiles_for_are_meant_unless_others_are_asked_for(catalog):
    cuda = catalog.accelerator("cuda-13.0")

    def of(*asked, version="13.0"):
        return architectures_of(cuda, asked, accel=f"cuda-{version}", version=version)

    assert "sm_75" in of("release")
    assert "compute_50" not in of("release")
    assert "compute_50" in of("release", version="12.4")
    assert "sm_120a" not in of("release", version="12.4")
    assert of("short") == cuda.architectures.short
    assert of("sm_90", "sm_89", "sm_90") == ("sm_89", "sm_90")


def test_an_architecture_that_the_toolkit_dropped_is_refused_with_those_it_has(catalog):
    cuda = catalog.accelerator("cuda-13.0")
    with pytest.raises(UsageError, match=r"does not compile for compute_50 \(it takes <13\)") as caught:
        architectures_of(cuda, ("compute_50",), accel="cuda-13.0", version="13.0")
    assert "sm_75" in caught.value.hint
    with pytest.raises(UsageError, match="'sm_999' is no architecture of cuda"):
        architectures_of(cuda, ("sm_999",), accel="cuda-13.0", version="13.0")


def test_bounds_of_an_architecture_are_compared_by_number():
    architectures = Architectures(known={"a": ">=12.8,<13", "b": "<9", "c": ""}, short=("c",))
    assert architectures.compiled_by("12.10") == ("a", "c")
    assert architectures.compiled_by("13.0") == ("c",)


@pytest.mark.parametrize("bounds", ["=13", "13", ">=x", ">= 13"])
def test_a_bound_that_is_none_is_refused(bounds):
    with pytest.raises(ValueError, match="neither >=VERSION nor <VERSION"):
        Architectures(known={"a": bounds}, short=("a",))


def test_a_toolkit_of_packages_says_what_of_them_it_is_made_of():
    with pytest.raises(ValueError, match="neither roots nor prefix"):
        PackagedToolkit(version="13.0", platform="linux-x86_64", wheels=(WHEEL,))
