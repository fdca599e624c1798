"""Names of wheels: projects, versions and tags that pip takes, and that promise no more than was measured."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from packaging.tags import mac_platforms
from packaging.version import Version

from pipeline.builders.wheel_naming import (
    MANYLINUX_LIBRARIES,
    beyond_tag,
    package_name,
    platform_tag,
    project_name,
    project_version,
)
from pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("engine", "accel", "project"),
    [
        ("llama.cpp", "cpu", "engine-llama-cpp-cpu"),
        ("llama.cpp", "cuda-13.0", "engine-llama-cpp-cuda-13-0"),
        ("Big_Engine", "rocm-7.14", "engine-big-engine-rocm-7-14"),
    ],
)
def test_a_project_is_the_engine_and_what_it_computes_on(engine, accel, project):
    assert project_name(engine, accel) == project
    assert package_name(project).isidentifier()


@pytest.mark.parametrize(
    ("upstream", "version"), [("b11434", "11434"), ("v0.3.36", "0.3.36"), ("0.32.2", "0.32.2"), ("t2", "2")]
)
def test_a_version_is_upstreams_as_an_index_writes_it(upstream, version):
    assert project_version(upstream) == version


def test_versions_are_ordered_as_upstream_orders_them():
    assert Version(project_version("b9999")) < Version(project_version("b10000"))


@pytest.mark.parametrize("upstream", ["master", "master-1a2b3c4", "b"])
def test_what_has_no_number_makes_no_wheel(upstream):
    with pytest.raises(UsageError):
        project_version(upstream)


@pytest.mark.parametrize(
    ("platform", "symbols", "tag"),
    [
        ("linux-x86_64", ("GLIBC_2.34",), "manylinux_2_34_x86_64"),
        ("linux-x86_64", ("GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.17"), "manylinux_2_34_x86_64"),
        ("linux-x86_64", ("GLIBC_2.34", "GLIBCXX_3.4.29"), "manylinux_2_34_x86_64"),
        ("linux-x86_64", ("GLIBC_2.34", "GLIBCXX_3.4.30"), "manylinux_2_35_x86_64"),
        ("linux-x86_64", ("GLIBC_2.28", "GLIBCXX_3.4.22", "OMP_1.0", "GOMP_4.5"), "manylinux_2_28_x86_64"),
        ("linux-x86_64", ("GLIBC_2.2.5",), "manylinux_2_5_x86_64"),
        ("linux-x86_64", ("GLIBC_2.2.5", "CXXABI_1.3.9"), "manylinux_2_24_x86_64"),
        ("linux-x86_64", ("GLIBC_2.2.5", "GCC_12.0.0"), "manylinux_2_35_x86_64"),
        ("linux-arm64", ("GLIBC_2.17",), "manylinux_2_17_aarch64"),
        ("linux-arm64", ("GLIBC_2.5",), "manylinux_2_17_aarch64"),
        ("windows-x86_64", (), "win_amd64"),
        ("windows-arm64", (), "win_arm64"),
    ],
)
def test_a_tag_is_what_was_measured(platform, symbols, tag):
    assert platform_tag(platform, symbols=symbols, macos=None) == tag


@pytest.mark.parametrize(
    ("floor", "tag"),
    [
        ("13.3", "macosx_14_0_arm64"),
        ("14.0", "macosx_14_0_arm64"),
        ("14", "macosx_14_0_arm64"),
        ("11.0", "macosx_11_0_arm64"),
    ],
)
def test_a_tag_of_macos_is_one_that_pip_takes_and_no_older_than_the_floor(floor, tag):
    assert platform_tag("macos-arm64", symbols=(), macos=floor) == tag
    assert tag in mac_platforms((15, 0), "arm64")


@pytest.mark.parametrize(
    ("platform", "symbols"),
    [("linux-x86_64", ()), ("linux-x86_64", ("GLIBC_2.34", "GLIBCXX_3.4.99")), ("macos-arm64", ())],
)
def test_without_a_measured_floor_there_is_no_tag(platform, symbols):
    with pytest.raises(UsageError):
        platform_tag(platform, symbols=symbols, macos=None)


@pytest.mark.parametrize("kind", ["GLIBCXX", "CXXABI", "GCC"])
@pytest.mark.parametrize(("machine", "platform"), [("x86_64", "linux-x86_64"), ("aarch64", "linux-arm64")])
def test_what_the_compilers_libraries_stand_for_is_auditwheels_policy(kind, machine, platform):
    highest = {}
    for policy in json.loads(resources.files("auditwheel").joinpath("policy/manylinux-policy.json").read_text()):
        versions = policy["symbol_versions"].get(machine, {}).get(kind, [])
        numbers = [version for version in versions if version.replace(".", "").isdigit()]
        if numbers and policy["name"].startswith("manylinux"):
            highest[int(policy["name"].split("_")[2])] = max(numbers, key=Version)
    assert highest
    for version in {*highest.values()}:
        allowed = min(minor for minor, most in highest.items() if Version(most) >= Version(version))
        tag = platform_tag(platform, symbols=("GLIBC_2.5", f"{kind}_{version}"), macos=None)
        assert int(tag.split("_")[2]) >= allowed, version


def test_what_a_tag_promises_is_auditwheels_policy():
    text = resources.files("auditwheel").joinpath("policy/manylinux-policy.json").read_text()
    for policy in json.loads(text):
        if policy["name"].startswith("manylinux") and int(policy["name"].split("_")[2]) >= 28:
            assert set(policy["lib_whitelist"]) | {"ld-linux-*.so.*"} == set(MANYLINUX_LIBRARIES)


@pytest.mark.parametrize(
    ("platform", "libraries", "beyond"),
    [
        ("linux-x86_64", ("libc.so.6", "libgomp.so.1", "libcuda.so.1"), ("libcuda.so.1", "libgomp.so.1")),
        ("linux-x86_64", ("ld-linux-x86-64.so.2", "libstdc++.so.6"), ()),
        ("windows-x86_64", ("kernel32.dll",), ()),
    ],
)
def test_what_no_tag_promises_is_named(platform, libraries, beyond):
    assert beyond_tag(platform, libraries) == beyond
