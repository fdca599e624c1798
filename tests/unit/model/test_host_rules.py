from __future__ import annotations

import pytest

from pipeline.model.host_rules import foreign, lacks
from tests.simulators.variants import CPU_HOST, requires


def test_a_platform_is_the_hosts_or_foreign():
    assert foreign("linux-x86_64", CPU_HOST) is None
    assert foreign("macos-arm64", CPU_HOST) == "it is for macos-arm64, this is linux-x86_64"


@pytest.mark.parametrize(("found", "floor"), [("13.3", "13.3.0"), ("13.3.0", "13.3"), ("14", "13.3.0")])
def test_a_version_without_its_last_zeros_is_the_same_version(found: str, floor: str):
    assert lacks(requires(macos=floor), CPU_HOST.model_copy(update={"macos": found})) == ()


def test_an_older_windows_does_not_serve_what_needs_a_newer_one():
    older = CPU_HOST.model_copy(update={"windows": "6.3.9600"})
    assert lacks(requires(windows="10.0"), older) == ("it needs Windows 10.0, this has 6.3.9600",)
    assert lacks(requires(windows="10.0"), CPU_HOST.model_copy(update={"windows": "10.0.17763"})) == ()


@pytest.mark.parametrize(
    ("libraries", "floor", "expected"),
    [
        (("libc.musl-x86_64.so.1",), "2.34", ("it needs glibc 2.34, this system has none",)),
        (("libc.musl-x86_64.so.1",), None, ()),
        (("libc.so.6",), "2.34", ()),
        (None, "2.34", ()),
    ],
)
def test_a_system_known_to_have_no_glibc_does_not_serve_what_needs_it(libraries, floor, expected):
    musl = CPU_HOST.model_copy(update={"glibc": None, "libraries": libraries})
    assert lacks(requires(glibc=floor), musl) == expected
