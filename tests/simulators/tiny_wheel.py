"""The tiny engine's library as a Python project that scikit-build-core builds, with a recipe of kind ``wheel``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PYPROJECT = """
[build-system]
requires = ["scikit-build-core>=1.1"]
build-backend = "scikit_build_core.build"

[project]
name = "tiny-python"
version = "1.2.3"
license = "MIT"

[tool.scikit-build]
wheel.packages = ["tiny_python"]
wheel.py-api = "py3"
"""

CMAKE = """
cmake_minimum_required(VERSION 3.20)
project(outer CXX)
add_subdirectory(vendor/tiny)
"""

INNER = """
project(inner CXX)
option(TINY_BACKEND "whether there is one" OFF)
option(TINY_NEWER "what only newer sources know" OFF)
if(NOT TINY_BACKEND)
  message(FATAL_ERROR "no backend")
endif()
if(INNER_TOOL)
  message(FATAL_ERROR "the outer project asks for the tool")
endif()
add_library(tiny SHARED tiny.cpp)
set_target_properties(tiny PROPERTIES VERSION 1.2.3 SOVERSION 1)
install(TARGETS tiny LIBRARY DESTINATION tiny_python/lib)
install(FILES tiny.h DESTINATION include)
"""

PACKAGE = """
import ctypes, pathlib
library = ctypes.CDLL(str(pathlib.Path(__file__).parent / "lib" / "libtiny.so"))
print("answer", library.answer())
"""

RECIPE = """
schema_version = 1
kind = "wheel"
name = "tiny-python"
repository = "example/tiny-python"
default_release = "1.2.3"
platforms = ["linux-x86_64"]
options_of = "tiny-engine"
base = "cpu"
environment = "tiny-python"
license_files = ["LICENSE"]
exclude = ["/include/"]
system_libraries = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6"]
refused = {{ avx2 = "nobody made it" }}

[[releases]]
version = "1.2.3"
released = "2026-01-02T03:04:05Z"
source = {{ kind = "local_tree", path = "{source}" }}

[options]
CMAKE_PLATFORM_NO_VERSIONED_SONAME = "ON"

[variables.inner]
INNER_TOOL = "OFF"

[proof]
code = "import tiny_python"
pattern = "^answer (?P<tokens>[0-9]+)"
model = "none"
prompt = "?"
minimum_tokens = 1
timeout_seconds = 60

[bundle]
entry_points = {{ python = "bin/python" }}

[bundle.proof]
program = "bin/python"
version_args = ["-c", "print('tiny-python 1.2.3')"]
version_pattern = '^tiny-python {{version}}$'
device_args = ["-c", "print('Available devices:'); print('  CPU: one')"]
expect_devices = {{ linux-x86_64 = ["^CPU: "] }}
prompt = "?"
server_args = ["-c", "pass"]
minimum_tokens = 1
ready_timeout_seconds = 10
"""


def write_source(folder: Path) -> Path:
    """Write the project and return its folder."""
    inner = folder / "vendor" / "tiny"
    inner.mkdir(parents=True)
    (folder / "tiny_python").mkdir()
    files = {
        folder / "pyproject.toml": PYPROJECT,
        folder / "LICENSE": "MIT\n",
        folder / "CMakeLists.txt": CMAKE,
        folder / "tiny_python" / "__init__.py": PACKAGE,
        inner / "CMakeLists.txt": INNER,
        inner / "tiny.h": "extern int answer();\n",
        inner / "tiny.cpp": '#include <string>\nextern "C" int answer() { return std::stoi(std::string("42")); }\n',
    }
    for path, text in files.items():
        path.write_text(text)
    return folder


def write_recipe(recipes: Path, source: Path) -> Path:
    """Write the recipe beside those of the tiny engine and return its path."""
    path = recipes / "engines" / "tiny-python.toml"
    path.write_text(RECIPE.format(source=source))
    return path
