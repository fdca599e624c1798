from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import UsageError
from pipeline.model.frozen import Name
from pipeline.names import (
    Target,
    UnknownNameError,
    accel_version,
    family_of,
    is_older,
    parse_accel,
    parse_release,
    parse_target,
    platform_of,
    select_targets,
    version_key,
)

CPU = Target("llama.cpp", "linux-x86_64", "cpu")
AVX2 = Target("llama.cpp", "linux-x86_64", "avx2")
OTHER = Target("llama-swap", "linux-x86_64", "cpu")
METAL = Target("llama.cpp", "macos-arm64", "metal")


def test_a_target_without_its_engine_is_found_where_it_is_unambiguous():
    assert select_targets(["linux-x86_64-avx2"], [CPU, AVX2]) == (AVX2,)


def test_a_comma_and_a_repetition_name_several_targets_in_catalog_order():
    assert select_targets(["linux-x86_64-cpu,macos-arm64-metal", "linux-x86_64-avx2"], [AVX2, CPU, METAL]) == (
        AVX2,
        CPU,
        METAL,
    )


def test_a_glob_names_every_match():
    assert select_targets(["linux-*"], [CPU, AVX2, METAL]) == (CPU, AVX2)
    assert select_targets(["llama.cpp/*"], [CPU, OTHER]) == (CPU,)


def test_a_target_that_two_engines_have_must_name_its_engine():
    with pytest.raises(UnknownNameError, match="ambiguous") as caught:
        select_targets(["linux-x86_64-cpu"], [CPU, OTHER])
    assert "llama.cpp/linux-x86_64-cpu" in caught.value.hint


def test_an_unknown_target_lists_near_ones_and_exits_with_2():
    with pytest.raises(UnknownNameError) as caught:
        select_targets(["linux-x86_64-avx"], [CPU, AVX2])
    assert "linux-x86_64-avx2" in caught.value.hint
    assert caught.value.exit_code == 2


def test_an_empty_pattern_matches_nothing():
    with pytest.raises(UnknownNameError):
        select_targets([""], [CPU])


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
