"""Builds for other platforms with zig: the tiny engine is compiled, looked at, and run where something runs it here.

zig compiles a C++ library of its own for each platform, once; so the cache folder of whoever runs this is used.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import lief
import pytest

from pipeline.system.binaries import FileInspector
from tests.integration.conftest import make_user
from tests.simulators.command_line import PROJECT, CommandLine
from tests.simulators.kept_cache import CACHE_DIR
from tests.simulators.tiny_engine import write_toolchains

pytestmark = pytest.mark.slow

WINE = "/usr/lib/wine/wine64"
LOG = "compile-tiny-engine-t2-windows-x86_64-cpu-by-zig.log"


@pytest.fixture
def user(tmp_path: Path) -> CommandLine:
    made = make_user(tmp_path / "user", ENGINE_PIPELINE_CACHE_DIR=str(CACHE_DIR))
    write_toolchains(made.recipes, PROJECT / "recipes")
    return made


def build(user: CommandLine, platform: str, *more: str, accel: str = "cpu") -> dict:
    """Build the tiny engine for a platform; return its artifact."""
    target = f"{platform}-{accel}"
    user.ok("build", "--target", target, "--source", "build", "--model", user.home / "model.gguf", *more)
    (artifact,) = json.loads((user.home / "dist" / "manifest.json").read_text())["artifacts"]
    return artifact


def unpack(user: CommandLine, artifact: dict, into: Path) -> Path:
    user.ok("unpack", user.home / "dist" / artifact["url"], "--to", into)
    return into


def test_this_machines_platform_gets_an_old_glibc_as_its_floor(user):
    artifact = build(user, "linux-x86_64", "--toolchain", "zig")
    assert tuple(map(int, artifact["requires"]["glibc"].split("."))) <= (2, 28)
    assert not [name for name in artifact["requires"]["libraries"] if "stdc++" in name or "gcc" in name]
    assert artifact["toolchain"]["zig"] == "0.17.1 for x86_64-linux-gnu.2.28"
    assert "cc" not in artifact["toolchain"]
    assert (artifact["proof"]["generated_tokens"], artifact["proof"]["runner"]) == (16, None)


@pytest.mark.skipif(
    not (shutil.which("qemu-aarch64-static") and Path("/usr/aarch64-linux-gnu").is_dir()),
    reason="needs qemu-user-static and libc6-arm64-cross, which .ci/run installs",
)
def test_linux_on_arm_is_run_under_qemu(user):
    artifact = build(user, "linux-arm64")
    proof = artifact["proof"]
    assert (proof["level"], proof["devices"], proof["generated_tokens"]) == ("run", ["CPU"], 16)
    assert proof["runner"].startswith("qemu-user ")
    assert tuple(map(int, artifact["requires"]["glibc"].split("."))) <= (2, 28)


@pytest.mark.skipif(not Path(WINE).exists(), reason="needs Debian's wine64, which is large: apt install wine64")
@pytest.mark.parametrize(("accel", "devices"), [("cpu", ["CPU"]), ("avx2", [])])
def test_windows_is_run_under_wine(user, accel, devices):
    proof = build(user, "windows-x86_64", accel=accel)["proof"]
    assert (proof["level"], proof["devices"], proof["generated_tokens"]) == ("run", devices, 16)
    assert proof["runner"].startswith("wine ")


def test_windows_gets_libraries_that_find_each_other_and_export_no_start_up_code(user, tmp_path):
    artifact = build(user, "windows-x86_64", "--prove", "none")
    assert [layer["name"] for layer in artifact["layers"]] == ["core", "cpu"]
    assert artifact["requires"]["windows"] == "10.0"
    folder = unpack(user, artifact, tmp_path / "unpacked")
    cards = {card["path"]: card for card in _cards(folder)}
    assert sorted(cards) == ["bin/tiny-cpu.dll", "bin/tiny-server.exe", "bin/tiny.dll"]
    assert "tiny.dll" in cards["bin/tiny-cpu.dll"]["needed"]
    assert "tiny.dll" in cards["bin/tiny-server.exe"]["needed"]
    library = lief.PE.parse(str(folder / "bin/tiny.dll"))
    exports = {entry.name for entry in library.get_export().entries}
    assert any("tiny_answer" in name for name in exports)
    assert "atexit" not in exports


def test_without_the_directive_a_second_library_of_windows_does_not_link(user):
    recipe = user.recipes / "toolchains" / "zig.toml"
    text = recipe.read_text()
    directive = '.ascii " -exclude-symbols:atexit"\n'
    assert directive in text
    recipe.write_text(text.replace(directive, ""))
    done = user.run("build", "--target", "windows-x86_64-cpu", "--source", "build", "--prove", "none")
    assert done.returncode == 9
    assert "duplicate symbol: atexit" in (CACHE_DIR / "logs" / LOG).read_text()


def test_windows_gets_one_program_that_needs_windows_alone(user, tmp_path):
    artifact = build(user, "windows-x86_64", "--prove", "none", accel="avx2")
    assert [layer["name"] for layer in artifact["layers"]] == ["core-avx2"]
    assert artifact["entry_points"] == {"tiny-server": "bin/tiny-server.exe"}
    names = {name.lower() for name in artifact["requires"]["libraries"]}
    assert "kernel32.dll" in names
    assert not {name for name in names if "c++" in name or name.startswith(("lib", "msvcp"))}
    assert artifact["proof"] | {"level": "none", "loads": None} == artifact["proof"]


def test_macos_gets_libraries_that_find_each_other_and_are_signed(user, tmp_path):
    artifact = build(user, "macos-arm64")
    assert artifact["proof"]["level"] == "none", "nothing here runs it, and nothing claims so"
    assert artifact["requires"]["macos"] == "13.3"
    assert artifact["requires"]["libraries"] == ["/usr/lib/libSystem.B.dylib"]
    folder = unpack(user, artifact, tmp_path / "unpacked")
    cards = {card["path"]: card for card in _cards(folder)}
    assert cards["bin/libtiny.1.2.3.dylib"]["soname"] == "@rpath/libtiny.1.dylib"
    assert cards["bin/tiny-server"]["runpath"] == ["@loader_path"]
    assert {card["signature"] for card in cards.values()} == {"adhoc"}
    assert {card["lowest_system"] for card in cards.values()} == {"13.3"}


def _cards(folder: Path) -> list[dict]:
    found = []
    for path in sorted(folder.rglob("*")):
        card = FileInspector().inspect(path) if path.is_file() and not path.is_symlink() else None
        if card is not None:
            found.append({"path": path.relative_to(folder).as_posix(), **card.model_dump(mode="json")})
    return found


def test_a_place_is_in_no_file(user, tmp_path):
    folder = unpack(user, build(user, "linux-x86_64", "--toolchain", "zig", "--prove", "none"), tmp_path / "unpacked")
    text = subprocess.run(
        ["grep", "-r", "-l", "-a", "-F", str(CACHE_DIR), str(folder)], capture_output=True, text=True, check=False
    ).stdout
    assert text == ""
