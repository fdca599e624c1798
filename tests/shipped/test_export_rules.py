"""What zig.toml has CMake link into every library of Windows is found wherever the cache lies."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "toolchains" / "zig.toml"
PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(two C)
add_library(two SHARED two.c)
"""


def test_a_library_links_from_a_folder_with_a_space(tmp_path):
    folder = tmp_path / "my cache"
    folder.mkdir()
    (windows,) = (
        target for target in tomllib.loads(RECIPE.read_text())["targets"] if target["platform"] == "windows-x86_64"
    )
    (folder / "exports.cmake").write_text(windows["files"]["exports.cmake"])
    (folder / "exports.s").write_text(".globl found\nfound:\n")  # the directive itself is one that only Windows has
    (folder / "two.c").write_text("int two(void) { return 2; }\n")
    (folder / "CMakeLists.txt").write_text(PROJECT)
    rules = f"-DCMAKE_USER_MAKE_RULES_OVERRIDE={folder / 'exports.cmake'}"
    # Windows has a rule before CMake reads the override, Linux has not.
    rule = "-DCMAKE_C_CREATE_SHARED_LIBRARY=<CMAKE_C_COMPILER> <LINK_FLAGS> -shared -o <TARGET> <OBJECTS>"
    tools = Path(sys.executable).parent
    ninja = f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"
    for arguments in (
        ["-G", "Ninja", ninja, "-S", folder, "-B", folder / "build", rules, rule],
        ["--build", folder / "build"],
    ):
        done = subprocess.run([tools / "cmake", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert b"found" in (folder / "build/libtwo.so").read_bytes()
