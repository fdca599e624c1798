from __future__ import annotations

import pytest

from pipeline.builders.declared import declared_options

SOURCE = """
option(KIT_METAL "kit: use Metal" ON)
option ( KIT_METAL_EMBED_LIBRARY "embed it (always)" ${KIT_METAL})
# option(KIT_GONE "was here" ON)
set(KIT_STD "" CACHE STRING "kit: the standard (c++17)")
set   (KIT_TARGET_OS "macos" CACHE STRING
                     "kit: target")
set(KIT_PLAIN 1)
set(KIT_NAME "a # in text" CACHE STRING "") # CACHE
find_program(KIT_CCACHE_FOUND ccache)
find_package(Vulkan COMPONENTS glslc REQUIRED)
include(CMakeDependentOption)
cmake_dependent_option(KIT_DEPENDS "only with" ON "KIT_METAL" OFF)
"""


@pytest.fixture
def declared(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(SOURCE)
    (tmp_path / "cmake").mkdir()
    (tmp_path / "cmake/simd.cmake").write_text('set(${type}_FLAGS "x" CACHE STRING "")\nset(${all} 1 CACHE BOOL "")\n')
    (tmp_path / "README.md").write_text('option(KIT_DOCS "no CMake" ON)')
    return declared_options(tmp_path)


def test_options_and_cache_entries_are_declared_and_other_variables_are_not(declared):
    assert declared.options == {
        "KIT_METAL", "KIT_METAL_EMBED_LIBRARY", "KIT_STD", "KIT_TARGET_OS", "KIT_NAME", "KIT_CCACHE_FOUND",
        "KIT_DEPENDS", "BUILD_SHARED_LIBS",
    }  # fmt: skip


def test_an_option_that_is_gone_names_what_it_may_be_called_now(declared):
    unknown = declared.unknown(["KIT_METAL", "KIT_METAL_EMBED_LIBRARIES", "KIT_GONE", "KIT_PLAIN"])
    assert set(unknown) == {"KIT_METAL_EMBED_LIBRARIES", "KIT_GONE", "KIT_PLAIN"}
    assert unknown["KIT_METAL_EMBED_LIBRARIES"][0] == "KIT_METAL_EMBED_LIBRARY"


def test_variables_of_cmake_and_of_packages_are_declared_elsewhere(declared):
    assert declared.unknown(["CMAKE_BUILD_TYPE", "Vulkan_GLSLC_EXECUTABLE", "CUDAToolkit_ROOT"]) == {}
    assert "CUDAToolkit_EXECUTABLE" in declared.unknown(["CUDAToolkit_EXECUTABLE"])


def test_names_that_are_put_together_while_it_runs_are_not_refused(declared):
    assert declared.unknown(["AVX512_FLAGS"]) == {}
    assert "AVX512_FLAG" in declared.unknown(["AVX512_FLAG"])
