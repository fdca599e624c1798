"""Symbols leave a layer's files as the recipe says; what is kept of them is a layer of its own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.builders.separating import SEPARATIONS
from pipeline.errors import BuildError
from pipeline.make.layer import make_layer
from pipeline.model.actions import MakeLayer
from pipeline.model.result import StepResult
from pipeline.system.binaries import FileInspector
from tests.simulators.apple_developer import DeveloperTools, Mac
from tests.simulators.binaries import write_binary
from tests.simulators.engine_world import services_for

LLVM = {name: shutil.which(program) for name, program in (("dsymutil", "dsymutil"), ("strip", "llvm-strip"))}


@pytest.fixture
def tools(tmp_path):
    return DeveloperTools(tmp_path / "mac")


@pytest.fixture
def make(tmp_path, tools):
    """Return what makes a layer on a Mac of real Mach-O files, and gives its services and outputs."""

    def run(**variables: str):
        services = replace(services_for(tmp_path, host=Mac(tools)), binaries=FileInspector())
        services = replace(services, base_env={**services.base_env, **variables})
        compiled = tmp_path / "compiled"
        write_binary(compiled / "bin/llama-server", "macos-arm64", "program")
        write_binary(compiled / "bin/libggml-metal.so", "macos-arm64", "metal")
        (compiled / "bin/readme.txt").write_text("no binary")
        trees = {"compiled": services.store.add_tree(compiled)}
        (tmp_path / "source").mkdir()
        source = {"source": services.store.add_tree(tmp_path / "source")}
        action = MakeLayer(
            layer_name="metal",
            role="backend",
            compiled="compile",
            source="source",
            licenses=(),
            toolchain={},
            separation="apple",
            zstd_level=1,
            epoch_seconds=0,
        )
        results = {
            "compile": StepResult(key="0" * 64, trees=trees),
            "source": StepResult(key="1" * 64, trees=source),
        }
        work = tmp_path / "work"
        work.mkdir()
        return services, make_layer(action, "layer", services, results, work)

    return run


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_macs_files_are_stripped_and_then_signed_under_the_names_that_they_ship_with(make, tools):
    make()
    kept = [call for call in tools.calls if call.startswith(("dsymutil", "strip", "codesign"))]
    (metal, server) = kept[:3], kept[3:]
    assert metal[0].startswith("dsymutil libggml-metal.so -o /")
    assert metal[0].endswith("/debug/bin/libggml-metal.so.dSYM")
    assert metal[1:] == [
        "strip -S -x libggml-metal.so",
        "codesign --force --sign - --timestamp=none libggml-metal.so",
    ]
    assert [call.split()[0] for call in server] == ["dsymutil", "strip", "codesign"]
    assert len(kept) == 6, "a text has no symbols"


def test_what_is_kept_of_the_symbols_is_a_layer_of_its_own(make):
    services, outputs = make()
    debug = files_of(services.store.tree_path(outputs.trees["debug"]))
    assert debug == [
        f"bin/{name}.dSYM/Contents/Resources/DWARF/{name}" for name in ("libggml-metal.so", "llama-server")
    ]
    layer = files_of(services.store.tree_path(outputs.trees["layer"]))
    assert layer == ["bin/libggml-metal.so", "bin/llama-server", "bin/readme.txt"]


def test_programs_see_which_developer_tools_were_named(make, tools):
    tools.have_do("codesign", 'test "$DEVELOPER_DIR" = /Xcode.app || { echo "not named" >&2; exit 1; }')
    make(DEVELOPER_DIR="/Xcode.app")


def test_a_file_that_cannot_be_signed_makes_no_layer(make, tools):
    tools.have_do("codesign", "echo errSecInternalComponent >&2; exit 1")
    with pytest.raises(BuildError, match=r"codesign of libggml-metal\.so failed: errSecInternalComponent"):
        make()


@pytest.mark.skipif(
    None in LLVM.values(),
    reason="needs LLVM's dsymutil and strip, which take the arguments of Apple's: apt install llvm",
)
def test_with_llvms_programs_the_files_keep_uuid_and_signature_and_what_they_export(make, tools):
    for name, program in LLVM.items():
        tools.have_do(name, f'exec {program} "$@"')
    services, outputs = make()
    layer = services.store.tree_path(outputs.trees["layer"])
    debug = services.store.tree_path(outputs.trees["debug"])
    before = FileInspector().inspect(write_binary(layer.parent / "before", "macos-arm64", "metal"))
    after = FileInspector().inspect(layer / "bin/libggml-metal.so")
    assert after == before
    assert after.signature == "adhoc"
    kept = FileInspector().inspect(debug / "bin/libggml-metal.so.dSYM/Contents/Resources/DWARF/libggml-metal.so")
    assert (kept.build_id, kept.is_object) == (after.build_id, True)


def test_a_file_of_linux_has_the_debugger_follow_a_link():
    only_debug, strip = SEPARATIONS["gnu"].argvs(name="libx.so", debug="/d/libx.so.debug", stripped="/w/stripped")
    assert only_debug == ("objcopy", "--only-keep-debug", "libx.so", "/d/libx.so.debug")
    assert strip == ("objcopy", "--strip-unneeded", "--add-gnu-debuglink=/d/libx.so.debug", "libx.so", "/w/stripped")
