"""Linkage of bundles of every platform, measured on real binaries; see tests/fixtures/binaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ProofError
from pipeline.make.linkage import check_linkage, measure, read_cards
from pipeline.system.binaries import FileInspector
from tests.simulators.binaries import fixture, write_binary, write_cuda_runtime, write_engine

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.linkage import Linkage
    from pipeline.model.binary import BinaryCard

LINUX = ("libc.so.6", "libm.so.6", "libstdc++.so.6", "libgomp.so.1")
WINDOWS = ("kernel32.dll", "api-ms-win-*", "vcruntime140*.dll")
MACOS = ("/usr/lib/*", "/System/Library/*")
SYSTEM = {"linux": LINUX, "windows": WINDOWS, "macos": MACOS}


@pytest.fixture(scope="module")
def inspector():
    return FileInspector()


@pytest.fixture
def check(tmp_path, inspector):
    """Check the bundle in the test's folder as one of a platform."""

    def run(platform: str, *more: str, floor: str = "13.3") -> Linkage:
        system = (*SYSTEM[platform.partition("-")[0]], *more)
        return check_linkage(tmp_path, read_cards(tmp_path, inspector), system, platform=platform, macos_floor=floor)

    return run


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_a_linux_bundle_needs_what_its_files_need(tmp_path: Path, check, machine):
    write_engine(tmp_path / "bin", f"linux-{machine}", "vulkan")
    linkage = check(f"linux-{machine}", "libvulkan.so.1")
    assert (linkage.glibc, linkage.libstdcxx, linkage.macos) == ("2.34", "3.4.30", None)
    assert linkage.libraries == tuple(sorted((*LINUX, "libvulkan.so.1")))
    assert linkage.architectures == (machine,)


def test_a_windows_bundle_needs_the_msvc_runtime_and_no_api_set(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "windows-x86_64")
    linkage = check("windows-x86_64")
    assert linkage.libraries == ("KERNEL32.dll", "VCRUNTIME140.dll")
    assert (linkage.glibc, linkage.libstdcxx, linkage.macos) == (None, None, None)


def test_a_windows_plugin_without_the_library_that_it_is_for_fails_the_proof(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "windows-x86_64")
    (tmp_path / "bin/ggml-base.dll").unlink()
    with pytest.raises(ProofError, match=r"ggml-cpu-haswell\.dll needs ggml-base\.dll, which is neither in the bundle"):
        check("windows-x86_64")


def pe_card(**changes) -> BinaryCard:
    card = FileInspector().inspect(fixture("windows-x86_64", "program"))
    return card.model_copy(update=changes)


@pytest.mark.parametrize(
    ("headers", "needed", "floor"),
    [
        ("6.0", ("KERNEL32.dll",), "6.0"),
        ("6.0", ("KERNEL32.dll", "api-ms-win-crt-heap-l1-1-0.dll"), "10.0"),
        ("6.0", ("ucrtbase.dll",), "10.0"),
        ("10.1", ("UCRTBASE.dll",), "10.1"),
    ],
)
def test_what_needs_the_universal_c_runtime_needs_the_windows_that_has_it(headers, needed, floor):
    cards = {"bin/a.exe": pe_card(lowest_system=headers, needed=needed), "bin/b.dll": pe_card(lowest_system="5.2")}
    assert measure(cards, {}).windows == floor
    assert measure(cards, {}).floor == f"Windows {floor}"


@pytest.mark.parametrize("platform", ["macos-arm64", "macos-x86_64"])
def test_a_macos_bundle_has_the_highest_floor_of_its_files(tmp_path: Path, check, platform):
    write_engine(tmp_path / "bin", platform)
    linkage = check(platform)
    assert (linkage.macos, linkage.glibc) == ("13.3", None)
    assert {"/usr/lib/libSystem.B.dylib", "/usr/lib/libc++.1.dylib"} <= set(linkage.libraries)
    write_binary(tmp_path / "bin/libggml-cpu.0.0.10892.dylib", platform, "backend-macos-26.0")
    assert check(platform, floor="26").macos == "26.0"


@pytest.mark.parametrize(("platform", "system"), [("linux-x86_64", "libcuda.so.1"), ("windows-x86_64", "nvcuda.dll")])
def test_a_cuda_bundle_needs_its_runtime_inside_and_the_driver_of_the_host(tmp_path: Path, check, platform, system):
    write_engine(tmp_path / "bin", platform, "cuda-12.4")
    with pytest.raises(ProofError, match=r"ggml-cuda\.(so|dll) needs (libcudart\.so\.12|cudart64_12\.dll)"):
        check(platform, system)
    write_cuda_runtime(tmp_path / "bin", platform)
    assert system in check(platform, system).libraries


def test_the_runtime_of_another_cuda_version_does_not_do(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "windows-x86_64", "cuda-13.1")
    write_cuda_runtime(tmp_path / "bin", "windows-x86_64", major=12)
    with pytest.raises(ProofError, match=r"ggml-cuda\.dll needs cudart64_13\.dll"):
        check("windows-x86_64")


def test_a_delayed_import_may_be_missing_and_a_plain_one_may_not(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "windows-x86_64", "cuda-12.4")
    write_cuda_runtime(tmp_path / "bin", "windows-x86_64")
    assert "nvcuda.dll" not in check("windows-x86_64").libraries
    (tmp_path / "bin/libomp140.x86_64.dll").unlink()
    with pytest.raises(ProofError, match=r"ggml-cpu-haswell\.dll needs libomp140\.x86_64\.dll") as caught:
        check("windows-x86_64")
    assert r"ggml-cpu-x64.dll needs libomp140.x86_64.dll" in caught.value.message


def test_windows_names_have_no_case(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "windows-x86_64")
    (tmp_path / "bin/ggml-base.dll").rename(tmp_path / "bin/GGML-Base.DLL")
    assert check("windows-x86_64").libraries == ("KERNEL32.dll", "VCRUNTIME140.dll")


def test_linux_names_have_case(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "linux-x86_64")
    write_binary(tmp_path / "bin/libggml-vulkan.so", "linux-x86_64", "vulkan")
    with pytest.raises(ProofError, match="libvulkan"):
        check("linux-x86_64", "LIBVULKAN.so.*")


def test_a_windows_plugin_finds_what_lies_beside_the_program_and_not_beside_itself(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "windows-x86_64")
    write_binary(tmp_path / "plugins/ggml-cuda.dll", "windows-x86_64", "cuda")
    write_cuda_runtime(tmp_path / "plugins", "windows-x86_64")
    with pytest.raises(ProofError, match=r"plugins/ggml-cuda\.dll needs cudart64_12\.dll"):
        check("windows-x86_64")
    write_cuda_runtime(tmp_path / "bin", "windows-x86_64")
    check("windows-x86_64")


def test_a_macos_library_in_another_folder_is_found_by_the_programs_search_path(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "macos-arm64")
    write_binary(tmp_path / "plugins/libggml-x.so", "macos-arm64", "backend")
    check("macos-arm64")


def test_a_macos_library_that_nobody_brings_is_named(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "macos-arm64")
    for path in (tmp_path / "bin").glob("libggml-metal*"):
        path.unlink()
    with pytest.raises(ProofError, match=r"libggml\.0\.0\.10892\.dylib needs @rpath/libggml-metal\.0\.dylib"):
        check("macos-arm64")


@pytest.mark.parametrize(
    ("platform", "link", "target"),
    [
        ("linux-x86_64", "libllama.so.0", "libllama.so.0.0.10892"),
        ("macos-arm64", "libllama.0.dylib", "libllama.0.0.10892.dylib"),
    ],
)
def test_a_link_that_got_lost_is_named_with_what_it_led_to(tmp_path: Path, check, platform, link, target):
    write_engine(tmp_path / "bin", platform)
    for name in (link, link.replace(".0", "")):
        (tmp_path / "bin" / name).unlink()
    with pytest.raises(ProofError, match=link) as caught:
        check(platform)
    assert target in caught.value.hint


def test_a_link_out_of_the_bundle_fails_the_proof(tmp_path: Path, inspector):
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/link").symlink_to("../elsewhere")
    with pytest.raises(ProofError, match="link is a link to"):
        read_cards(tmp_path / "bundle", inspector)


@pytest.mark.parametrize(
    ("platform", "other"),
    [("windows-x86_64", "windows-arm64"), ("macos-x86_64", "macos-arm64"), ("linux-x86_64", "linux-arm64")],
)
def test_a_file_for_another_machine_fails_the_proof(tmp_path: Path, check, platform, other):
    write_engine(tmp_path / "bin", platform)
    name = "ggml-other.dll" if platform.startswith("windows") else "libggml-other.so"
    write_binary(tmp_path / "bin" / name, other, "backend")
    with pytest.raises(ProofError, match=rf"{name} \(\w+, arm64\) is no binary of {platform}"):
        check(platform)


def test_a_file_for_another_system_fails_the_proof(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "windows-x86_64")
    write_binary(tmp_path / "bin/libggml-base.so", "linux-x86_64", "base")
    with pytest.raises(ProofError, match=r"libggml-base\.so \(elf, x86_64\) is no binary of windows-x86_64"):
        check("windows-x86_64")


@pytest.mark.parametrize("platform", ["macos-arm64", "macos-x86_64"])
def test_a_universal_program_serves_each_of_its_machines(tmp_path: Path, check, platform):
    write_engine(tmp_path / "bin", platform)
    write_binary(tmp_path / "bin/llama-server", "macos-universal", "program")
    assert check(platform).architectures == (platform.removeprefix("macos-"),)


def test_a_file_stamped_for_a_newer_macos_than_promised_fails_the_proof(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "macos-arm64")
    assert check("macos-arm64", floor="13.3.0").macos == "13.3"
    write_binary(tmp_path / "bin/libggml-cpu.0.0.10892.dylib", "macos-arm64", "backend-macos-26.0")
    with pytest.raises(ProofError, match=r"libggml-cpu\.0\.0\.10892\.dylib needs macOS 26\.0") as caught:
        check("macos-arm64")
    assert "13.3" in caught.value.message


def test_an_unsigned_arm64_program_fails_the_proof(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "macos-arm64")
    write_binary(tmp_path / "bin/llama-server", "macos-arm64", "program-unsigned")
    with pytest.raises(ProofError, match=r"bin/llama-server has no signature"):
        check("macos-arm64")


@pytest.mark.parametrize(("platform", "name"), [("linux-x86_64", "libx.so.1"), ("macos-arm64", "libx.dylib")])
def test_a_file_that_is_only_named_like_a_library_fails_the_proof(tmp_path: Path, check, platform, name):
    write_engine(tmp_path / "bin", platform)
    (tmp_path / "bin" / name).write_text("<!DOCTYPE html>")
    with pytest.raises(ProofError, match=rf"bin/{name} is named like a binary"):
        check(platform)


def test_every_finding_is_listed_up_to_a_screenful(tmp_path: Path, check):
    write_engine(tmp_path / "bin", "linux-arm64", programs=tuple(f"llama-{number}" for number in range(20)))
    with pytest.raises(ProofError, match="and 15 more") as caught:
        check("linux-x86_64")
    assert len(caught.value.message.splitlines()) == 11
