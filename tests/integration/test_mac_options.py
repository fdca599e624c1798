"""What a Mac's build asks of upstream's CMake files, configured here with a stand-in for Apple's compiler and its SDK.

CMake is told that it builds for macOS, takes the stand-in for Apple's compiler and finds frameworks in a folder that is
laid out as the SDK is. What it then writes for Ninja is what it would on a Mac: which files are made, under which
names, with which search paths and frameworks. That Apple's compiler compiles the files is not shown.
"""

from __future__ import annotations

import json
import os
import re
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
from pipeline.plan.native import native_component, native_link_flags
from tests.simulators.pinned_sources import pinned_source

pytestmark = pytest.mark.slow
ENGINE, PLATFORM = "llama.cpp", "macos-arm64"
CATALOG = load(load_settings(Flags()).recipes_dir)
RECIPE = CATALOG.engine(ENGINE)
PARTS = {
    "core": RECIPE.core,
    **{name: CATALOG.accelerator(name).engines[ENGINE] for name in ("cpu", "metal")},
}

# The machine's own compiler, which says that it is Apple's and passes over the words that only that one has.
STAND_IN = """#!/bin/sh
for word; do
    shift
    case $skip in yes) skip=; continue ;; esac
    case $word in
    -arch | -isysroot | -framework) skip=yes ;;
    -mmacosx-version-min=* | -fcolor-diagnostics | -Wl,*) ;;
    *) set -- "$@" "$word" ;;
    esac
done
exec {compiler} -D__clang__=1 -D__clang_major__=17 -D__clang_minor__=0 -D__clang_patchlevel__=0 -D__APPLE__=1 \\
    -D__apple_build_version__=17000013 "$@"
"""
# What CMake knows by itself on a Mac, and what needs a linker of one.
AS_ON_A_MAC = (
    "-DCMAKE_SYSTEM_NAME=Darwin",
    "-DCMAKE_SYSTEM_PROCESSOR=arm64",
    "-DCMAKE_SYSTEM_VERSION=24.5.0",
    "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY",
    "-DCMAKE_INSTALL_NAME_TOOL=/bin/true",
)


@pytest.mark.parametrize("release", [pin.version for pin in RECIPE.releases])
def test_every_option_of_a_macs_build_is_declared_by_every_pinned_source(release):
    with pinned_source(ENGINE, release) as source:
        declared = declared_options(source)
    made = {name: native_component(part, RECIPE, PLATFORM).options for name, part in PARTS.items()}
    unknown = {name: declared.unknown({**RECIPE.options, **options}) for name, options in made.items()}
    assert {name: found for name, found in unknown.items() if found} == {}


@pytest.fixture
def mac(tmp_path):
    """Return a folder with a stand-in of the compilers and of the SDK."""
    for framework in ("Accelerate", "Foundation", "Metal", "MetalKit"):
        (tmp_path / f"MacOSX.sdk/System/Library/Frameworks/{framework}.framework/Headers").mkdir(parents=True)
    for name in ("cc", "c++"):
        (tmp_path / name).write_text(STAND_IN.replace("{compiler}", str(shutil.which(name))))
        (tmp_path / name).chmod(0o755)
    return tmp_path


def configured(mac: Path, name: str, source: Path) -> tuple[dict[str, str], str]:
    """Configure a component as a Mac does; return its options, and what CMake wrote for Ninja."""
    component = native_component(PARTS[name], RECIPE, PLATFORM)
    sdk, path = str(mac / "MacOSX.sdk"), f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    options = {key: value.replace("{sdk}", sdk) for key, value in {**RECIPE.options, **component.options}.items()}
    included = mac / "included.cmake"
    included.write_text("".join(Path(cmake.__file__).with_name(each).read_text() for each in INCLUDED))
    paths = cmake.Paths(
        source=str(source),
        build=str(mac / "build"),
        unity=str(included),
        cmake=str(shutil.which("cmake", path=path)),
        ninja=str(shutil.which("ninja", path=path)),
        cc=str(mac / "cc"),
        cxx=str(mac / "c++"),
        sdk=sdk,
    )
    argv = cmake.configure_argv(
        paths,
        options=options,
        unity=cmake.unity_list(component),
        compile_flags=(),
        link_flags=native_link_flags(RECIPE, PLATFORM),
        launcher=None,
        languages={},
        vendor="apple-clang",
    )
    env = cmake.environment({"PATH": path, "HOME": str(mac)}, epoch_seconds=0)
    done = subprocess.run((*argv, *AS_ON_A_MAC), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The CXX compiler identification is AppleClang 17" in done.stdout
    return options, (mac / "build/build.ninja").read_text()


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
@pytest.mark.parametrize(
    ("name", "file", "frameworks"),
    [
        ("core", "libggml-base.0", []),
        ("cpu", "libggml-blas.so", ["Accelerate"]),
        ("cpu", "libggml-cpu-apple_m1.so", ["Accelerate"]),
        ("metal", "libggml-metal.so", ["Foundation", "Metal", "MetalKit"]),
    ],
)
def test_upstream_takes_a_macs_recipe_up_to_compiling(mac, name, file, frameworks):
    with pinned_source(ENGINE, RECIPE.default_release) as source:
        options, ninja = configured(mac, name, source)
    cache = cmake.parse_cache((mac / "build/CMakeCache.txt").read_text())
    assert cmake.unknown_options(options, cache) == {}
    assert {key: cache[key][1] for key in options if key in cache} == {k: v for k, v in options.items() if k in cache}
    (link,) = re.findall(rf"(?ms)^build bin/{re.escape(file)}[^ ]*: \w+_LINKER.*?^\n", ninja)
    assert re.findall(r"-framework (\w+)", link) == frameworks
    assert "-Wl,-rpath,@loader_path" in link
    assert f"-arch arm64 -isysroot {mac}/MacOSX.sdk -mmacosx-version-min=13.3" in link
    assert "-Wl,-reproducible" in link
    if name == "core":
        assert "INSTALLNAME_DIR = @rpath/" in link
    else:
        assert "LINK_FLAGS = -bundle" in link


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_what_the_recipe_collects_is_what_cmake_would_make(mac):
    for name, part in PARTS.items():
        component = native_component(part, RECIPE, PLATFORM)
        globs = component.outputs_on.get("macos", component.outputs)
        with pinned_source(ENGINE, RECIPE.default_release) as source:
            _, ninja = configured(mac, name, source)
        shutil.rmtree(mac / "build")
        made = re.findall(r"(?m)^build bin/([^:\n]*): \w+_(?:LINKER|LIBRARY)", ninja)
        files = {file.removeprefix("bin/") for line in made for file in line.split()}
        missing = [glob for glob in globs if not any(Path(file).match(glob) for file in files)]
        assert missing == [], name


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_shaders_are_embedded_and_the_place_of_the_sdk_is_mapped_away(mac):
    with pinned_source(ENGINE, RECIPE.default_release) as source:
        configured(mac, "metal", source)
    commands = json.loads((mac / "build/compile_commands.json").read_text())
    command = next(one["command"] for one in commands if one["file"].endswith("ggml-metal-device.m"))
    assert "-DGGML_METAL_EMBED_LIBRARY" in command.split()
    assert f"-ffile-prefix-map={mac}/MacOSX.sdk=/sdk" in command.split()
