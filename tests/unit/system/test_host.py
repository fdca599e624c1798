"""What this machine has: the system's tools first, packaged ones where those are too old or broken."""

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.names import PLATFORMS
from pipeline.system.host import LocalHost, _cpu_shares
from pipeline.system.processes import ProcessRunner


@pytest.fixture
def bin_dir(tmp_path):
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def put(bin_dir, name, says, code=0):
    path = bin_dir / name
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def probe(bin_dir, **environment):
    return LocalHost(ProcessRunner(), {"PATH": f"{bin_dir}:/usr/bin:/bin", "HOME": "/nonexistent", **environment})


VERSIONS = [
    ("cc", "cc", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.", "12.2.0"),
    ("cxx", "c++", "c++ (GCC) 13.2.1 20230801\nFree Software Foundation", "13.2.1"),
    ("cc", "cc", "Debian clang version 14.0.6\nTarget: x86_64", "14.0.6"),
    ("cc", "cc", "Apple clang version 15.0.0 (clang-1500.3.9.4)", "15.0.0"),
    ("cmake", "cmake", "cmake version 4.1.2\n\nCMake suite", "4.1.2"),
    ("ninja", "ninja", "1.13.0.git.kitware.jobserver-pipe-1", "1.13.0"),
    ("strip", "strip", "GNU strip (GNU Binutils for Debian) 2.40", "2.40"),
    ("node", "node", "v20.20.2", "20.20.2"),
    ("npm", "npm", "11.19.1", "11.19.1"),
    ("git", "git", "git version 2.39.3 (Apple Git-146)", "2.39.3"),
    ("sccache", "sccache", "sccache 0.16.0", "0.16.0"),
    ("ccache", "ccache", "ccache version 4.8", "4.8"),
]


@pytest.mark.parametrize(("name", "program", "says", "version"), VERSIONS, ids=[f"{v[0]} {v[3]}" for v in VERSIONS])
def test_a_tool_s_version_is_what_it_says(bin_dir, name, program, says, version):
    path = put(bin_dir, program, says)
    tool = probe(bin_dir).tool(name)
    assert tool is not None
    assert (tool.name, tool.path, tool.version) == (name, str(path), version)
    maker = "apple-clang" if "Apple" in says else "clang" if "clang" in says else "gcc"
    assert tool.vendor == (maker if name in {"cc", "cxx"} else "")


def test_a_compiler_that_the_user_names_is_taken_without_its_cache_and_options(bin_dir):
    path = put(bin_dir, "my-cc", "gcc (X) 9.1.0\nFree Software Foundation")
    assert probe(bin_dir, CC="ccache my-cc -m64").tool("cc").path == str(path)
    assert probe(bin_dir, CC=str(path)).tool("cc").version == "9.1.0"
    assert probe(bin_dir, CC="no-such-compiler").tool("cc") is None


@pytest.mark.parametrize("name", ["cmake", "ninja"])
def test_a_system_tool_that_is_too_old_gives_way_to_the_packaged_one(bin_dir, name):
    old = put(bin_dir, name, f"{name} version 1.0.1")
    host = LocalHost(ProcessRunner(), {"PATH": f"{sysconfig.get_path('scripts')}:{bin_dir}", "HOME": "/"})
    assert host.tool(name).path == str(old), "the system's comes first, even where our environment is active"
    packaged = host.tool(name, minimum="1.2")
    assert Path(packaged.path).is_relative_to(sys.prefix)
    assert host.tool(name) == packaged, "and what was chosen stays chosen"
    assert host.tool(name, minimum="99") is None
    assert host.tool(name) == packaged


def test_the_packaged_cmake_is_the_program_and_no_wrapper(bin_dir):
    path = LocalHost(ProcessRunner(), {"PATH": str(bin_dir)}).tool("cmake").path
    assert Path(path).read_bytes()[:4] in {b"\x7fELF", b"\xcf\xfa\xed\xfe"}


@pytest.mark.parametrize(("says", "code"), [("broken", 1), ("no number", 0)])
def test_a_tool_that_does_not_work_is_skipped(bin_dir, says, code):
    put(bin_dir, "sccache", says, code)
    assert Path(probe(bin_dir).tool("sccache").path).is_relative_to(sys.prefix)


def test_an_empty_program_is_skipped(bin_dir):
    (bin_dir / "git").write_bytes(b"\0\1")
    (bin_dir / "git").chmod(0o755)
    assert probe(bin_dir).tool("git") is None


def test_a_tool_that_is_nowhere_is_none(bin_dir):
    assert probe(bin_dir).tool("no-such-tool") is None


def test_the_facts_are_plausible():
    facts = LocalHost(ProcessRunner(), {}).facts()
    assert facts.platform in PLATFORMS
    assert 1 <= facts.cpu_count <= (os.cpu_count() or 1)
    assert facts.memory_bytes > 1 << 28
    assert list(facts.cpu_features) == sorted(facts.cpu_features)
    if facts.platform == "linux-x86_64":
        assert "sse2" in facts.cpu_features
        assert not {"sse4_2", "pni", "avx512_vnni"} & set(facts.cpu_features)


@pytest.mark.parametrize(("files", "shares"), [
    ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
      "sys/fs/cgroup/a/b/cpu.max": "max 100000"}, [1.5]),
    ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000"}, [0.5]),
    ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, [2.0]),
    ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, []),
    ({}, []),
], ids=["nested", "root", "version 1", "version 1 without quota", "none"])  # fmt: skip
def test_a_container_s_quota_counts(tmp_path, files, shares):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(_cpu_shares(tmp_path)) == shares


def test_free_space_is_that_of_the_nearest_folder(tmp_path, small_disk):
    host = LocalHost(ProcessRunner(), {})
    assert 0 < host.free_bytes(small_disk / "not" / "there") <= 2 << 20
    assert host.free_bytes(tmp_path) > 2 << 20


@pytest.mark.parametrize(("name", "variable"), [("cc", "CC"), ("cxx", "CXX")])
def test_a_compiler_variable_whose_quotation_never_ends_is_named(bin_dir, name, variable):
    with pytest.raises(UsageError, match=variable):
        probe(bin_dir, **{variable: '"'}).tool(name)
