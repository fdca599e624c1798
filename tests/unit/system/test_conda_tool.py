"""Solving and unpacking conda packages over the real py-rattler, in its own process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import HostError, IntegrityError, ProofError
from pipeline.system.conda_tool import RattlerTool
from tests.simulators.conda_packages import CondaPackage, Member, write_channel

if TYPE_CHECKING:
    from pathlib import Path

LINUX = {"__glibc": "2.35", "__archspec": "1 x86_64"}


@pytest.fixture
def channel(tmp_path) -> Path:
    """Return a channel of a program, what it needs on each platform, and what nobody asks for."""
    folder = tmp_path / "a channel"
    program = {"bin/tool": Member(b"tool", executable=True), "lib/link": Member(link="../bin/tool")}
    write_channel(
        folder,
        (
            CondaPackage("tool", "1.0", program, depends=("data >=2", "__glibc >=2.17")),
            CondaPackage("tool", "2.0", program, depends=("data >=2", "__glibc >=2.38")),
            CondaPackage("data", "2.1", {"share/data": Member(b"d")}, subdir="noarch", noarch="generic"),
            CondaPackage("unasked", "1.0", {}),
        ),
    )
    return folder


def test_a_solve_takes_what_the_virtual_packages_admit_and_what_that_needs(channel):
    tool = RattlerTool()
    found = tool.solve(channel, ["tool"], subdir="linux-64", virtual_packages=LINUX)
    assert found == ("data-2.1-0.conda", "tool-1.0-0.conda")
    newer = tool.solve(channel, ["tool"], subdir="linux-64", virtual_packages={"__glibc": "2.38=0"})
    assert newer == ("data-2.1-0.conda", "tool-2.0-0.conda")


def test_what_this_machine_has_does_not_count(channel):
    with pytest.raises(ProofError, match="__glibc"):
        RattlerTool().solve(channel, ["tool"], subdir="linux-64", virtual_packages={})


def test_a_package_that_the_channel_lacks_is_named(channel):
    with pytest.raises(ProofError, match=r"tool >=3"):
        RattlerTool().solve(channel, ["tool >=3"], subdir="linux-64", virtual_packages=LINUX)


@pytest.mark.parametrize("text", [None, "[", "[]"])
def test_a_channel_whose_index_is_missing_or_damaged_is_an_integrity_error(channel, text):
    index = channel / "linux-64" / "repodata.json"
    index.unlink()
    if text is not None:
        index.write_text(text)
    with pytest.raises(IntegrityError, match=r"repodata\.json"):
        RattlerTool().solve(channel, ["tool"], subdir="linux-64", virtual_packages=LINUX)


def test_packages_are_unpacked_as_they_are_each_into_its_folder(channel, tmp_path):
    packages = [channel / "linux-64" / "tool-1.0-0.conda", channel / "noarch" / "data-2.1-0.conda"]
    tool, data = RattlerTool().unpack(packages, tmp_path / "unpacked")
    assert (tool / "bin/tool").read_bytes() == b"tool"
    assert (tool / "lib/link").readlink().as_posix() == "../bin/tool"
    assert (data / "share/data").read_bytes() == b"d"


def test_a_damaged_package_is_named(channel, tmp_path):
    package = channel / "linux-64" / "tool-1.0-0.conda"
    package.write_bytes(package.read_bytes()[:200])
    with pytest.raises(IntegrityError, match=r"tool-1\.0-0\.conda is a damaged"):
        RattlerTool().unpack([package], tmp_path / "unpacked")


@pytest.mark.parametrize(
    ("program", "why"),
    [("import time; time.sleep(60)", "did not answer"), ("import os; os.abort()", "died at solve with exit code -6")],
)
def test_a_solver_that_hangs_or_dies_is_ended_and_said(channel, program, why):
    tool = RattlerTool((sys.executable, "-c", program), solve_seconds=0.5)
    with pytest.raises(HostError, match=why):
        tool.solve(channel, ["tool"], subdir="linux-64", virtual_packages=LINUX)


def test_a_missing_library_is_said_with_what_to_install(channel):
    program = 'print(\'{"absent": "No module named rattler"}\')'
    with pytest.raises(HostError, match="No module named rattler") as caught:
        RattlerTool((sys.executable, "-c", program)).solve(channel, ["tool"], subdir="linux-64", virtual_packages=LINUX)
    assert "environments" in caught.value.hint


def test_a_mistake_in_the_worker_is_a_bug_and_no_error_of_the_user(channel):
    program = 'print(\'{"bug": "Traceback: KeyError"}\')'
    with pytest.raises(RuntimeError, match="KeyError"):
        RattlerTool((sys.executable, "-c", program)).solve(channel, ["tool"], subdir="linux-64", virtual_packages=LINUX)
