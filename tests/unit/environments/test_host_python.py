from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.environments.host_python import find_host_python, make_virtual_environment
from pipeline.errors import HostError
from pipeline.model.environment import EnvironmentCard
from pipeline.model.host import Tool
from pipeline.names import platform_of
from pipeline.ports import Services
from pipeline.system.durable import FileDisk
from tests.simulators.engine_world import FixedHost, close_stores, services_for

SHORT = f"{sys.version_info.major}.{sys.version_info.minor}"
CARD = EnvironmentCard(python=SHORT, base="host")
HERE = platform_of(os.uname().sysname, os.uname().machine)
Program = Callable[[str], Path]


class HostWithPython(FixedHost):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def tool(self, name: str, *, minimum: str | None = None) -> Tool | None:
        return Tool(name=name, path=self.path, version=SHORT) if name == f"python{SHORT}" else None


@pytest.fixture
def services(tmp_path: Path):
    yield services_for(tmp_path / "services")
    close_stores()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Write a program that answers as a Python would, with some things changed by a sed command."""

    def write(change: str) -> Path:
        path = tmp_path / "stand-in"
        path.write_text(f"#!/bin/sh\n{sys.executable} \"$@\" | sed '{change}'\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


def test_a_named_python_is_asked_what_it_is(services: Services, tmp_path: Path):
    found = find_host_python(CARD, HERE, named=Path(sys.executable), services=services, cwd=tmp_path)
    assert found.version == sys.version.split()[0]
    assert not (found.executable.parent.parent / "pyvenv.cfg").exists()


def test_without_a_name_the_hosts_python_of_that_version_is_taken(services: Services, tmp_path: Path):
    services = replace(services, host=HostWithPython(sys.executable))
    found = find_host_python(CARD, HERE, named=None, services=services, cwd=tmp_path)
    assert found.executable.name.startswith("python")


def test_a_host_without_that_python_is_told_what_is_missing(services: Services, tmp_path: Path):
    with pytest.raises(HostError) as refused:
        find_host_python(CARD, HERE, named=None, services=services, cwd=tmp_path)
    assert f"no python{SHORT}" in refused.value.message
    assert "--python" in refused.value.hint
    assert refused.value.exit_code == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('s/"short": "[0-9.]*"/"short": "3.9"/', "is cpython"),
        ("s/cpython/pypy/", "is pypy"),
        ('s/"machine": "[^"]*"/"machine": "riscv64"/', "riscv64"),
        ('s/"free_threaded": false/"free_threaded": true/', "free-threaded"),
        ('s/"musl": false/"musl": true/', "for musl"),
    ],
)
def test_a_python_that_the_wheels_are_not_for_is_refused(
    services: Services, tmp_path: Path, program: Program, change: str, said: str
):
    with pytest.raises(HostError) as refused:
        find_host_python(CARD, HERE, named=program(change), services=services, cwd=tmp_path)
    assert said in refused.value.message
    assert f"for CPython {SHORT} on {HERE}" in refused.value.message


def test_a_python_for_another_platform_is_refused(services: Services, tmp_path: Path):
    with pytest.raises(HostError, match=f"is for {HERE}"):
        find_host_python(CARD, "macos-arm64", named=Path(sys.executable), services=services, cwd=tmp_path)


@pytest.mark.parametrize("name", ["/bin/true", "/bin/false", "/no/such/python"])
def test_what_is_no_python_is_refused(services: Services, tmp_path: Path, name: str):
    with pytest.raises(HostError):
        find_host_python(CARD, HERE, named=Path(name), services=services, cwd=tmp_path)


@pytest.mark.parametrize("name", ["/bin/true", "/no/such/python"])
def test_whoever_names_no_python_is_told_which_is_needed_and_how_to_name_it(
    services: Services, tmp_path: Path, name: str
):
    with pytest.raises(HostError) as refused:
        find_host_python(CARD, HERE, named=Path(name), services=services, cwd=tmp_path)
    assert name in refused.value.message
    assert f"name a CPython {SHORT} by its path" in refused.value.hint
    assert f"--python /usr/bin/python{SHORT}" in refused.value.hint
    assert "CXX" not in refused.value.hint


def test_an_environment_outlives_an_upgrade_of_the_hosts_python(services: Services, tmp_path: Path):
    original = find_host_python(CARD, HERE, named=Path(sys.executable), services=services, cwd=tmp_path).executable
    for release in ("cellar/1", "cellar/2"):
        (tmp_path / release / "bin").mkdir(parents=True)
        (tmp_path / release / "bin" / f"python{SHORT}").symlink_to(original)
    opt = tmp_path / "opt"
    opt.symlink_to("cellar/1")
    named = opt / "bin" / f"python{SHORT}"
    found = find_host_python(CARD, HERE, named=named, services=services, cwd=tmp_path)
    assert found.executable == named
    prefix = tmp_path / "prefix"
    make_virtual_environment(CARD, found, prefix, disk=FileDisk())
    opt.unlink()
    opt.symlink_to("cellar/2")
    shutil.rmtree(tmp_path / "cellar/1")
    done = subprocess.run(
        [prefix / "bin/python", "-c", "import sys; print(sys.prefix)"], capture_output=True, check=True
    )
    assert done.stdout.decode() == f"{prefix}\n"


def test_a_link_that_a_moved_python_does_not_work_from_is_followed(services: Services, tmp_path: Path):
    original = find_host_python(CARD, HERE, named=Path(sys.executable), services=services, cwd=tmp_path).executable
    moved = tmp_path / "moved/bin/python"
    (tmp_path / "moved/lib").mkdir(parents=True)
    moved.parent.mkdir()
    moved.write_text(
        '#!/bin/bash\nsettings=$(dirname "$0")/../pyvenv.cfg\n'
        'if [ -f "$settings" ]; then [ -d "$(sed -n "s/^home = //p" "$settings")/../lib" ] || exit 1; fi\n'
        f'exec -a "$0" {original} "$@"\n'
    )
    moved.chmod(0o755)
    link = tmp_path / "links/bin/python"
    link.parent.mkdir(parents=True)
    link.symlink_to(moved)
    assert find_host_python(CARD, HERE, named=link, services=services, cwd=tmp_path).executable == moved
    (tmp_path / "links/lib").mkdir()
    assert find_host_python(CARD, HERE, named=link, services=services, cwd=tmp_path).executable == link


def test_a_prefix_over_a_hosts_python_is_a_virtual_environment(services: Services, tmp_path: Path):
    found = find_host_python(CARD, HERE, named=Path(sys.executable), services=services, cwd=tmp_path)
    prefix = tmp_path / "a prefix"
    make_virtual_environment(CARD, found, prefix, disk=FileDisk())
    (prefix / CARD.site_packages / "there.py").write_text("X = 7\n")
    question = "import sys, there; print(sys.prefix, sys.prefix != sys.base_prefix, there.X)"
    done = subprocess.run([str(prefix / "bin/python"), "-c", question], capture_output=True, text=True, check=True)
    assert done.stdout == f"{prefix} True 7\n"
    assert (prefix / "bin/python3").readlink() == Path("python")
