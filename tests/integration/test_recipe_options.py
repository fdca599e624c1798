"""Every accelerator's options against the real sources that are pinned, also where no compiler for it is.

Metal and SYCL cannot be compiled here: their options are read from the source's CMake files. SYCL is configured with a
stand-in for oneAPI as far as that goes: upstream's CMakeLists.txt takes the recipe's options and finds what it looks
for where the recipe says; that Intel's compiler compiles the files is not shown.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.app.settings import Flags, load_settings
from pipeline.builders import cmake
from pipeline.builders.declared import declared_options
from pipeline.catalog import load
from pipeline.make.compile import INCLUDED
from tests.simulators.pinned_sources import pinned_source

pytestmark = pytest.mark.slow
ENGINE = "llama.cpp"
CATALOG = load(load_settings(Flags()).recipes_dir)
RECIPE = CATALOG.engine(ENGINE)
BACKENDS = {name: found.engines[ENGINE] for name, found in CATALOG.accelerators.items() if ENGINE in found.engines}

# Programs that say they are oneAPI's, and are the machine's own compilers with the SYCL words left out.
STAND_IN = """#!/bin/sh
case "$*" in --version) echo "Intel(R) oneAPI DPC++/C++ Compiler 2026.1.0 (stand-in)"; exit 0 ;; esac
for word; do
    shift
    case $word in
    -fsycl | -Xs | -ze-intel-* | -Wno-narrowing | -fiopenmp | -qopenmp) ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec {compiler} -D__INTEL_LLVM_COMPILER=20260100 "$@"
"""
# As MKL 2026.2's own does it: run paths are linked like libraries, and the threads are TBB's only where that is said.
MKL = """add_library(MKL::MKL_SYCL::BLAS INTERFACE IMPORTED GLOBAL)
target_link_libraries(MKL::MKL_SYCL::BLAS INTERFACE "-Wl,-rpath=/opt/mkl" mkl_${MKL_THREADING})
"""
DNNL = """add_library(DNNL::dnnl SHARED IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_CONFIGURATIONS RELEASE IMPORTED_LOCATION_RELEASE /libdnnl.so.3)
set(DNNL_GPU_VENDOR "INTEL")
"""


@pytest.mark.parametrize("release", [pin.version for pin in RECIPE.releases])
def test_every_accelerators_options_are_declared_by_every_pinned_source(release):
    with pinned_source(ENGINE, release) as source:
        declared = declared_options(source)
    assert declared.options >= {"GGML_METAL_EMBED_LIBRARY", "GGML_SYCL_F16", "LLAMA_BUILD_SERVER"}
    unknown = {name: declared.unknown({**RECIPE.options, **found.options}) for name, found in BACKENDS.items()}
    assert {name: found for name, found in unknown.items() if found} == {}
    assert declared.unknown(["GGML_METAL_EMBED_LIBRARIES"])["GGML_METAL_EMBED_LIBRARIES"][0] == (
        "GGML_METAL_EMBED_LIBRARY"
    )


def configured(source: Path, tmp_path: Path, component, options: dict[str, str]) -> tuple[bytes, bytes]:
    """Configure a component; return its build.ninja and what each file is compiled with."""
    included = tmp_path / "included.cmake"
    included.write_text("".join(Path(cmake.__file__).with_name(name).read_text() for name in INCLUDED))
    build = tmp_path / "build"
    paths = cmake.Paths(
        source=str(source),
        build=str(build),
        unity=str(included),
        cmake=str(shutil.which("cmake", path=_path())),
        ninja=str(shutil.which("ninja", path=_path())),
        cc=str(shutil.which("cc")),
        cxx=str(shutil.which("c++")),
    )
    argv = cmake.configure_argv(
        paths,
        options={**RECIPE.options, **component.options, **options},
        unity=cmake.unity_list(component),
        compile_flags=(),
        link_flags=RECIPE.link_flags,
        launcher=None,
        languages=component.languages,
    )
    env = cmake.environment({"PATH": _path(), "HOME": str(tmp_path)}, epoch_seconds=0)
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (build / "build.ninja").read_bytes(), (build / "compile_commands.json").read_bytes()


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
@pytest.mark.parametrize("release", [pin.version for pin in RECIPE.releases])
@pytest.mark.parametrize("name", ["core", "cpu"])
def test_what_backends_call_their_own_options_changes_nothing_of_how_others_are_built(release, name, tmp_path):
    component = RECIPE.core if name == "core" else BACKENDS[name]
    with pinned_source(ENGINE, release) as source:
        configured(source, tmp_path, component, {})  # the first time, what CMake tried the compilers with is in it
        plain = configured(source, tmp_path, component, {})
        cache = cmake.parse_cache((tmp_path / "build/CMakeCache.txt").read_text())
        other = {
            option: {"ON": "OFF", "OFF": "ON"}.get(cache[option][1], "other") if option in cache else "other"
            for option in declared_options(source).options
            if any(backend.owns(option) and not component.owns(option) for backend in BACKENDS.values())
        }
        assert {"GGML_CUDA_FA", "GGML_HIP_GRAPHS", "GGML_METAL_STD", "GGML_SYCL_F16"} <= set(other)
        assert configured(source, tmp_path, component, other) == plain
        assert configured(source, tmp_path, component, {"GGML_LTO": "ON"}) != plain


@pytest.fixture
def oneapi(tmp_path):
    """Return a folder that is laid out as oneAPI is, with everything that the recipe asks of it."""
    top = tmp_path / "oneapi"
    toolkit = CATALOG.accelerator("sycl").toolkit
    for file in (toolkit.program, *toolkit.files):
        (top / file).parent.mkdir(parents=True, exist_ok=True)
        (top / file).touch()
    for name, compiler in ((toolkit.cc, "cc"), (toolkit.cxx, "c++")):
        (top / name).write_text(STAND_IN.replace("{compiler}", str(shutil.which(compiler))))
        (top / name).chmod(0o755)
    (top / "mkl/latest/lib/cmake/mkl/MKLConfig.cmake").write_text(MKL)
    (top / "dnnl/latest/lib/cmake/dnnl/dnnl-config.cmake").write_text(DNNL)
    return top


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_upstream_takes_the_sycl_recipe_up_to_compiling(oneapi, tmp_path):
    toolkit, component = CATALOG.accelerator("sycl").toolkit, BACKENDS["sycl"]
    options = {name: value.replace("{toolkit}", str(oneapi)) for name, value in component.options.items()}
    included = tmp_path / "included.cmake"
    included.write_text("".join(Path(cmake.__file__).with_name(name).read_text() for name in INCLUDED))
    with pinned_source(ENGINE, RECIPE.default_release) as source:
        paths = cmake.Paths(
            source=str(source),
            build=str(tmp_path / "build"),
            unity=str(included),
            cmake=str(shutil.which("cmake", path=_path())),
            ninja=str(shutil.which("ninja", path=_path())),
            cc=str(oneapi / toolkit.cc),
            cxx=str(oneapi / toolkit.cxx),
            toolkit=str(oneapi),
        )
        argv = cmake.configure_argv(
            paths,
            options={**RECIPE.options, **options},
            unity=cmake.unity_list(component),
            compile_flags=(),
            link_flags=RECIPE.link_flags,
            launcher=None,
            languages=component.languages,
        )
        env = cmake.environment({"PATH": _path(), "HOME": str(tmp_path)}, epoch_seconds=0)
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "The CXX compiler identification is IntelLLVM 2026.1.0" in said
    assert "Found oneDNN: /libdnnl.so.3" in said
    cache = cmake.parse_cache((tmp_path / "build/CMakeCache.txt").read_text())
    assert cmake.unknown_options({**RECIPE.options, **options}, cache) == {}
    assert {name: cache[name][1] for name in options} == options
    link = next(
        line
        for line in (tmp_path / "build/build.ninja").read_text().splitlines()
        if line.strip().startswith("LINK_LIBRARIES") and "libdnnl" in line
    )
    (run_path,) = [word for word in link.split() if "rpath" in word]
    assert run_path.endswith('ORIGIN"')
    assert "-lmkl_tbb_thread" in link.split()
    commands = json.loads((tmp_path / "build/compile_commands.json").read_text())
    backend = next(entry["command"] for entry in commands if entry["file"].endswith("ggml-sycl/ggml-sycl.cpp"))
    assert "-fsycl" in backend.split()
    assert {"-DGGML_SYCL_F16", "-DGGML_SYCL_DNNL=1", "-DGGML_SYCL_WARP_SIZE=16"} <= set(backend.split())


def _path() -> str:
    """Return the path with the programs of the development environment before it: it brings CMake and Ninja."""
    return f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
