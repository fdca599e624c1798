from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import UsageError
from pipeline.model.frozen import Name
from pipeline.names import (
    UnknownNameError,
    accel_version,
    family_of,
    is_older,
    meant_platforms,
    parse_accel,
    parse_release,
    parse_target,
    platform_hint,
    platform_of,
    version_key,
)


@pytest.mark.parametrize(
    "name", ["cpu", "avx2", "cuda-13.0", "rocm-7.14", "openvino-2026.3.1", "vulkan", "metal", "mlx"]
)
def test_the_contracts_accelerators_are_known(name):
    assert parse_accel(name) == name


@pytest.mark.parametrize("name", ["", "CPU", "cuda", "cuda-13", "openvino", "npu", "cpu "])
def test_an_unknown_accelerator_is_an_error_and_never_cpu(name):
    with pytest.raises(UnknownNameError):
        parse_accel(name)


def test_a_full_target_is_parsed_and_printed_alike():
    assert str(parse_target("llama.cpp/linux-x86_64-cuda-13.0")) == "llama.cpp/linux-x86_64-cuda-13.0"


@pytest.mark.parametrize("text", ["linux-x86_64-cpu", "llama.cpp/solaris-cpu", "llama.cpp/", "/linux-x86_64-cpu", "x"])
def test_what_is_no_full_target_is_refused(text):
    with pytest.raises(UnknownNameError):
        parse_target(text)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "linux-x86_64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "macos-arm64"),
        ("Windows", "AMD64", "windows-x86_64"),
    ],
)
def test_hosts_are_named_by_the_contract(system, machine, name):
    assert platform_of(system, machine) == name


@pytest.mark.parametrize(
    ("spelling", "platforms"),
    [
        ("osx-arm64", ("macos-arm64",)),
        ("osx-64", ("macos-x86_64",)),
        ("win-64", ("windows-x86_64",)),
        ("win64", ("windows-x86_64",)),
        ("win-arm64", ("windows-arm64",)),
        ("linux-64", ("linux-x86_64",)),
        ("linux-x64", ("linux-x86_64",)),
        ("linux-aarch64", ("linux-arm64",)),
        ("linux/amd64", ("linux-x86_64",)),
        ("ubuntu-x64", ("linux-x86_64",)),
        ("Darwin arm64", ("macos-arm64",)),
        ("macosx_14_0_arm64", ("macos-arm64",)),
        ("manylinux_2_35_x86_64", ("linux-x86_64",)),
        ("mac", ("macos-arm64", "macos-x86_64")),
        ("linux-s390x", ()),
        ("linux-riscv64", ()),
        ("linux-64-cuda", ()),
        ("arm64", ()),
        ("64", ()),
        ("", ()),
    ],
)
def test_platforms_are_known_by_the_spellings_of_others(spelling, platforms):
    assert meant_platforms(spelling) == platforms


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("osx-arm64", "did you mean macos-arm64? "),
        ("linux-x86-64", "did you mean linux-x86_64? "),
        ("macos-arm", "did you mean macos-arm64? "),
        ("win-64", ""),
        ("solaris", ""),
    ],
)
def test_a_hint_names_only_platforms_that_there_are(text, meant):
    assert platform_hint(text, ["linux-x86_64", "macos-arm64"]) == f"{meant}there are linux-x86_64, macos-arm64"


def test_a_full_target_with_a_platform_of_another_spelling_is_answered_with_the_right_one():
    with pytest.raises(UnknownNameError) as caught:
        parse_target("llama.cpp/linux-64-cuda-12.4")
    assert caught.value.hint == "did you mean llama.cpp/linux-x86_64-cuda-12.4?"


def test_a_host_that_is_not_served_is_an_error():
    with pytest.raises(UnknownNameError):
        platform_of("Linux", "s390x")


@pytest.mark.parametrize("text", ["2026.11.0", "a", "v1.0-rc.1+x_y", "a" * 128])
def test_a_release_of_ours_is_a_plain_name(text):
    assert parse_release(text) == text
    assert TypeAdapter(Name).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "my release!", ".hidden", "a/b", "a" * 129, "é"])
def test_what_a_manifest_cannot_name_is_no_release(text):
    with pytest.raises(UsageError):
        parse_release(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(text)


def test_versions_compare_by_number():
    ordered = ["b9999", "b10000", "b11434"]
    assert sorted(ordered, key=version_key) == ordered
    assert version_key("10.0") > version_key("9.1")
    assert version_key("2.34") > version_key("2.4")


@pytest.mark.parametrize(
    ("accel", "family", "version"),
    [
        ("cuda-12.4", "cuda", "12.4"),
        ("rocm-7.14", "rocm", "7.14"),
        ("openvino-2026.0.1", "openvino", "2026.0.1"),
        ("avx2", "avx2", ""),
        ("cpu", "cpu", ""),
        ("mlx-openai", "mlx-openai", ""),
    ],
)
def test_an_accelerator_has_a_family_and_perhaps_a_version(accel, family, version):
    assert (family_of(accel), accel_version(accel)) == (family, version)


@pytest.mark.parametrize(
    ("version", "floor", "older"),
    [
        ("13.3", "13.3.0", False),
        ("13.3.0", "13.3", False),
        ("13.00", "13", False),
        ("13", "13.0.1", True),
        ("9.1", "10", True),
        ("10.0", "10.10", True),
        ("100", "10", False),
    ],
)
def test_zeros_at_the_end_of_a_version_say_nothing(version, floor, older):
    assert is_older(version, floor) is older
