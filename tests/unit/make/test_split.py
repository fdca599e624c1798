from __future__ import annotations

import pytest

from pipeline.errors import IntegrityError
from pipeline.make.split import place
from pipeline.model.archive_actions import SplitLayer
from pipeline.model.tree import TreeEntry

CPU = ("libggml-cpu*", "ggml-cpu*.dll")
CUDA = ("ggml-cuda.dll", "libggml-cuda.so")


def layer(name="core", role="core", include=(), exclude=(), licenses=("LICENSE*", "EULA*")) -> SplitLayer:
    return SplitLayer(
        layer_name=name,
        role=role,
        archive="fetch it",
        include=include,
        exclude=exclude,
        licenses=licenses,
        zstd_level=1,
        epoch_seconds=0,
    )


def entries(*paths: str) -> list[TreeEntry]:
    return [TreeEntry(path=path, mode=0o644, size_bytes=1, sha256="0" * 64) for path in paths]


FLAT_ZIP = entries("LICENSE", "ggml-base.dll", "ggml-cpu-haswell.dll", "ggml-cuda.dll", "llama-server.exe")
ROOTED = entries(
    "llama-b1/LICENSE", "llama-b1/libggml-cpu-x64.so", "llama-b1/libllama.so.0", "llama-b1/llama-server",
)  # fmt: skip
OLD_LINUX_ZIP = entries("build/LICENSE", "build/bin/libggml-cpu-x64.so", "build/bin/llama-server")


def test_the_core_is_what_no_accelerator_claims_with_the_licenses():
    assert place(FLAT_ZIP, layer(exclude=(*CPU, *CUDA))) == {
        "LICENSE": "licenses/LICENSE",
        "ggml-base.dll": "bin/ggml-base.dll",
        "llama-server.exe": "bin/llama-server.exe",
    }


def test_a_backend_is_what_its_globs_name_and_nothing_else():
    backend = layer("cuda-12.4", "backend", include=CUDA)
    assert place(FLAT_ZIP, backend) == {"ggml-cuda.dll": "bin/ggml-cuda.dll"}
    assert place(ROOTED, backend) == {}


@pytest.mark.parametrize("archive", [ROOTED, OLD_LINUX_ZIP], ids=["rooted", "build/bin"])
def test_the_folder_that_an_archive_has_its_files_in_means_nothing(archive):
    placed = set(place(archive, layer(exclude=CPU)).values())
    assert {"bin/llama-server", "licenses/LICENSE"} <= placed
    assert all(path.count("/") == 1 for path in placed)


def test_folders_below_the_programs_stay():
    placed = place(entries("llama.exe", "rocblas/library/a.co"), layer())
    assert placed["rocblas/library/a.co"] == "bin/rocblas/library/a.co"


def test_a_runtimes_license_does_not_take_the_place_of_the_engines():
    runtime = layer("cuda-12.4-runtime", "runtime")
    assert place(entries("LICENSE.txt", "cudart64_12.dll"), runtime) == {
        "LICENSE.txt": "licenses/cuda-12.4-runtime/LICENSE.txt",
        "cudart64_12.dll": "bin/cudart64_12.dll",
    }


def test_no_license_text_gets_lost_wherever_it_lies():
    archive = entries("LICENSE", "EULA.txt", "licensing/LICENSE", "licensing/tbb/LICENSE", "llama.exe", "openvino.dll")
    globs = ("openvino*.dll", "licensing/*")
    core = place(archive, layer(exclude=globs))
    runtime = place(archive, layer("openvino-1-runtime", "runtime", include=globs))
    assert set(core.values()) == {"bin/llama.exe", "licenses/LICENSE", "licenses/EULA.txt"}
    assert set(runtime.values()) == {
        "bin/openvino.dll",
        "licenses/openvino-1-runtime/licensing/LICENSE",
        "licenses/openvino-1-runtime/licensing/tbb/LICENSE",
    }
    assert core.keys() | runtime.keys() == {entry.path for entry in archive}


def test_two_texts_that_would_be_one_file_are_refused():
    with pytest.raises(IntegrityError, match="licenses/LICENSE"):
        place(entries("LICENSE", "build/LICENSE", "build/bin/llama"), layer())


def test_an_archive_of_license_texts_alone_is_refused():
    with pytest.raises(IntegrityError):
        place(entries("LICENSE"), layer())
