"""Which archives make which target."""

from __future__ import annotations

from pipeline.model.archives import ArchiveParts
from pipeline.model.release_preferences import ReleasePreferences
from pipeline.upstream.archive_choice import choose_archives

PREFER = {"linux-x86_64-sycl": ((), ("fp32",)), "macos-arm64-metal": ((),)}
PREFERENCES = ReleasePreferences(schema_version=1, engine="llama.cpp", repository="o/r", prefer=PREFER)
PARTS = {
    "cpu": ArchiveParts(backend=("*cpu*",)),
    "cuda": ArchiveParts(backend=("*cuda*",), companion=True),
    "metal": ArchiveParts(backend=("*metal*",)),
    "rocm": ArchiveParts(backend=("*hip*",)),
    "sycl": ArchiveParts(backend=("*sycl*",)),
}


def choose(*names: str):
    return choose_archives(names, PREFERENCES, PARTS)


def test_a_cuda_target_is_its_engine_and_then_its_runtime():
    runtime, engine = "cudart-llama-bin-win-cuda-12.4-x64.zip", "llama-b1-bin-win-cuda-12.4-x64.zip"
    assert choose(runtime, engine).targets == {"windows-x86_64-cuda-12.4": (engine, runtime)}


def test_a_cuda_engine_without_the_runtime_of_its_version_and_platform_makes_no_target():
    found = choose(
        "llama-b1-bin-win-cuda-12.4-x64.zip",
        "cudart-llama-bin-win-cuda-13.3-x64.zip",
        "cudart-llama-bin-win-cuda-12.4-arm64.zip",
    )
    assert found.targets == {}
    assert "runtime" in found.left_out["windows-x86_64-cuda-12.4"]


def test_of_several_archives_the_preferred_one_is_taken_and_the_order_of_names_does_not_matter():
    fp16, fp32 = "llama-b1-bin-ubuntu-sycl-fp16-x64.tar.gz", "llama-b1-bin-ubuntu-sycl-fp32-x64.tar.gz"
    assert choose(fp16, fp32).targets == choose(fp32, fp16).targets == {"linux-x86_64-sycl": (fp32,)}
    plain = "llama-b1-bin-macos-arm64.tar.gz"
    assert choose("llama-b1-bin-macos-arm64-kleidiai.tar.gz", plain).targets == {"macos-arm64-metal": (plain,)}


def test_several_archives_and_no_preference_make_no_target():
    found = choose("llama-b1-bin-win-hip-x64-gfx1030.zip", "llama-b1-bin-win-hip-x64-gfx1100.zip")
    assert found.targets == {}
    assert "gfx1030" in found.left_out["windows-x86_64-rocm"]


def test_systems_without_a_target_and_files_that_are_no_engine_make_none():
    found = choose("llama-b1-bin-android-arm64.tar.gz", "llama-b1-bin-ubuntu-s390x.tar.gz", "llama-b1-ui.tar.gz")
    assert (found.targets, found.left_out, found.unknown) == ({}, {}, ())


def test_an_unknown_name_is_reported_and_the_others_are_used():
    found = choose("llama-b1-bin-ubuntu-tpu-x64.tar.gz", "llama-b1-bin-ubuntu-x64.tar.gz")
    assert list(found.targets) == ["linux-x86_64-cpu"]
    assert [error.why.split("'")[1] for error in found.unknown] == ["tpu"]


def test_whether_a_runtime_is_needed_is_what_the_recipe_says():
    engine = "llama-b1-bin-win-cuda-12.4-x64.zip"
    alone = PARTS | {"cuda": ArchiveParts(backend=("*cuda*",))}
    assert choose_archives([engine], PREFERENCES, alone).targets == {"windows-x86_64-cuda-12.4": (engine,)}


def test_a_family_without_a_recipe_makes_no_target_and_it_is_said():
    found = choose("llama-b1-bin-win-vulkan-x64.zip", "llama-b1-bin-win-cpu-x64.zip")
    assert list(found.targets) == ["windows-x86_64-cpu"]
    assert "'vulkan'" in found.left_out["windows-x86_64-vulkan"]
