"""Apple's developer tools are found as xcrun finds them, and nothing opens a window where there are none."""

from __future__ import annotations

import pytest

from pipeline.system.apple_tools import TOOLS
from pipeline.system.host import LocalHost
from pipeline.system.processes import ProcessRunner
from tests.simulators.apple_developer import DeveloperTools

CLANG = "17.0.0+1700.0.13.5"


@pytest.fixture
def tools(tmp_path):
    return DeveloperTools(tmp_path)


@pytest.mark.parametrize(
    ("name", "program", "version", "vendor"),
    [
        ("cc", "clang", CLANG, "apple-clang"),
        ("cxx", "clang++", CLANG, "apple-clang"),
        ("ld", "ld", "1167.5", ""),
        ("dsymutil", "dsymutil", CLANG, ""),
        ("strip", "strip", CLANG, ""),
        ("codesign", "codesign", "15.4.1", ""),
    ],
)
def test_a_program_is_the_one_among_the_chosen_tools(tools, name, program, version, vendor):
    tool = tools.find(macos="15.4.1").tool(name)
    assert (tool.path, tool.version, tool.vendor) == (str(tools.folder / "usr/bin" / program), version, vendor)


@pytest.mark.parametrize("name", ["dyld-1015.7", "ld64-820.1", "ld-1115.7.3"])
def test_the_linkers_version_is_its_own_and_not_that_of_llvm(tools, name):
    tools.have_say("ld", f"@(#)PROGRAM:ld  PROJECT:{name}\\nLTO support using: LLVM version 15.0.0 (static support)")
    assert tools.find().tool("ld").version == name.partition("-")[2]


def test_the_sdk_is_a_tool_whose_path_is_its_folder(tools):
    sdk = tools.find().tool("sdk")
    assert (sdk.path, sdk.version) == (str(tools.sdk), "15.5")


def test_without_developer_tools_nothing_is_started_that_would_ask_in_a_window(tools):
    tools.choose(None)
    found = tools.find()
    assert [name for name in TOOLS if found.tool(name)] == []
    assert tools.calls == []


def test_a_tool_that_is_not_among_them_is_none(tools):
    tools.remove("dsymutil")
    assert tools.find().tool("dsymutil") is None
    assert tools.find().tool("cc") is not None


def test_a_mac_takes_them_before_what_its_path_has_and_a_named_compiler_before_them(tools, tmp_path):
    named = tmp_path / "my-clang"
    named.write_text("#!/bin/sh\necho 'Homebrew clang version 19.1.0'\n")
    named.chmod(0o755)
    host = LocalHost(ProcessRunner(), tools.environment, apple=tools.find())
    assert host.tool("cc").vendor == "apple-clang"
    assert host.tool("cc", minimum="18") is None
    asked = LocalHost(ProcessRunner(), {**tools.environment, "CC": str(named)}, apple=tools.find())
    assert (asked.tool("cc").vendor, asked.tool("cc").version) == ("clang", "19.1.0")
    assert tools.calls == []


def test_other_machines_never_ask_for_them(tools):
    host = LocalHost(ProcessRunner(), {**tools.environment, "PATH": tools.environment["PATH"].partition(":")[0]})
    assert host.tool("cc") is None, "what has that name there opens a window and says no version"
    assert tools.calls == ["a window for cc", "a window for clang"]
