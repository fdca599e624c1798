"""What stands before a toolchain's compiler passes every argument on, in the compiler's own words."""

from __future__ import annotations

import subprocess

import pytest

from pipeline.builders.wrappers import PROGRAM_VARIABLE, wrapper_texts

PRINTER = '#!/bin/sh\nfor argument do printf "<%s>\\n" "$argument"; done\n'


@pytest.fixture
def call(catalog, tmp_path):
    """Return what runs a wrapper of the shipped toolchain before a program that prints its arguments."""
    program = tmp_path / "program"
    program.write_text(PRINTER)
    program.chmod(0o755)
    zig = catalog.toolchains["zig"]

    def run(platform, name, *arguments):
        text = wrapper_texts(zig, zig.target(platform), identity="zig 0")[name]
        script = tmp_path / name
        script.write_text(text)
        script.chmod(0o755)
        env = {PROGRAM_VARIABLE: str(program), "PATH": "/usr/bin:/bin"}
        said = subprocess.run([script, *arguments], env=env, capture_output=True, text=True, check=True).stdout
        return [line[1:-1] for line in said.splitlines()]

    return run


def test_the_compiler_is_told_what_it_compiles_for(call):
    said = call("linux-x86_64", "cc", "-c", "a b.c", "", '-DX="y z"')
    assert said == ["cc", "-target", "x86_64-linux-gnu.2.28", "-O2", "-s", "-c", "a b.c", "", '-DX="y z"']


def test_other_programs_are_passed_through(call):
    assert call("linux-arm64", "ar", "qc", "lib.a", "-march=armv8-a") == ["ar", "qc", "lib.a", "-march=armv8-a"]


# The flags of every variant that ggml has for Linux and macOS on arm64 (ggml/src/ggml-cpu/CMakeLists.txt, b11434).
@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("-march=armv8-a", "-mcpu=generic+v8a"),
        ("-march=armv8.2-a+dotprod", "-mcpu=generic+v8_2a+dotprod"),
        ("-march=armv8.2-a+dotprod+fp16+sve", "-mcpu=generic+v8_2a+dotprod+fullfp16+sve"),
        ("-march=armv8.6-a+dotprod+fp16+sve+i8mm+sve2", "-mcpu=generic+v8_6a+dotprod+fullfp16+sve+i8mm+sve2"),
        ("-march=armv9.2-a+dotprod+i8mm+nosve+sme", "-mcpu=generic+v9_2a+dotprod+i8mm-sve+sme"),
        ("-march=native", "-march=native"),
    ],
)
@pytest.mark.parametrize("platform", ["linux-arm64", "macos-arm64"])
def test_flags_of_arm_are_rewritten(call, platform, given, taken):
    assert call(platform, "c++", given, "-c")[-2:] == [taken, "-c"]


def test_plug_ins_of_macos_are_linked_as_libraries(call):
    assert call("macos-arm64", "c++", "-bundle", "-bundle_loader")[-2:] == ["-dynamiclib", "-bundle_loader"]


def test_x86_flags_stay_as_they_are(call):
    assert call("linux-x86_64", "c++", "-mavx2", "-march=x86-64")[-2:] == ["-mavx2", "-march=x86-64"]


def test_two_versions_have_two_texts(catalog):
    zig = catalog.toolchains["zig"]
    one, other = (wrapper_texts(zig, zig.targets[0], identity=identity)["cc"] for identity in ("zig 1", "zig 2"))
    assert one != other, "a compiler cache takes the wrapper for the compiler"
