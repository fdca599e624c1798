"""Conda packages made of what is at hand: the Python that runs the tests, and wheels."""

from __future__ import annotations

import configparser
import importlib.util
import marshal
import platform
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulators.conda_packages import EPOCH_SECONDS, PLACEHOLDER, CondaPackage, Member

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|test|tests|idlelib|tkinter|turtledemo|lib2to3|ensurepip|pydoc_data"
    r"|site-packages|dist-packages|config-[^/]*)(/|$)|_test[a-z]*\.|_xxtestfuzz|turtle\.py$"
    r"|(^|/)(_tkinter|nis|readline|_curses|_curses_panel|_crypt|_gdbm|_dbm)\."  # need rare libraries
)
SYSTEM_LIBRARIES = re.compile(r"(ld-linux.*|lib(c|m|dl|pthread|rt|util|resolv|nsl|gcc_s|stdc\+\+|z|expat))\.so\.[0-9]+")
DEBIAN_SITE = "import site, sys; site.addsitedir(sys.prefix + '/lib/python{version}/site-packages')\n"


def python_package(build: str = "0_cpython") -> CondaPackage:
    """Return ``python``: the interpreter of ``sys.base_prefix``, its library and what it loads, without test suites."""
    program = Path(sys.base_prefix, "bin", f"python{PYTHON}").resolve()
    name = f"bin/python{PYTHON}"
    files = {
        name: Member(_relocated(_stripped(program), "$ORIGIN/../lib"), executable=True),
        "bin/python3": Member(link=f"python{PYTHON}"),
        "bin/python": Member(link=f"python{PYTHON}"),
    }
    standard = Path(sysconfig.get_path("stdlib"))
    for path in sorted(standard.rglob("*")):
        inner = path.relative_to(standard).as_posix()
        if path.is_file() and not LEFT_OUT.search(inner):
            files[f"lib/python{PYTHON}/{inner}"] = member = _member(path)
            if inner.startswith("encodings/"):  # imported before any .pth file can say where bytecode goes
                files[cache_from_source(f"lib/python{PYTHON}/{inner}")] = Member(_compiled(inner, member.data))
    loading = [path for path in standard.glob("lib-dynload/*.so") if not LEFT_OUT.search(f"lib-dynload/{path.name}")]
    for library in _needed_libraries(program, *loading):
        files[f"lib/{library.name}"] = Member(_relocated(_stripped(library.resolve()), "$ORIGIN"), executable=True)
    files[f"lib/python{PYTHON}/site-packages/README.txt"] = Member(b"Packages of the environment.\n")
    if "deb_system" in sysconfig.get_scheme_names():
        site = DEBIAN_SITE.format(version=PYTHON).encode()
        files["lib/python3/dist-packages/site-packages.pth"] = Member(site)
    return CondaPackage(
        name="python",
        version=platform.python_version(),
        files=files,
        build=build,
        depends=("__glibc >=2.17", "tzdata"),
        constrains=(f"python_abi {PYTHON}.* *_cp{PYTHON.replace('.', '')}",),
        license="Python-2.0",
    )


def wheel_package(wheel: Path, *, depends: tuple[str, ...] = ("python",)) -> CondaPackage:
    """Return a wheel for every platform as a ``noarch: python`` package."""
    project, version = wheel.name.split("-")[:2]
    files: dict[str, Member] = {}
    points: tuple[str, ...] = ()
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            data = archive.read(entry)
            files[f"site-packages/{entry.filename}"] = Member(data)
            if entry.filename.endswith(".dist-info/entry_points.txt"):
                points = tuple(_console_scripts(data.decode()))
    return CondaPackage(
        name=project.replace("_", "-").lower(),
        version=version,
        files=files,
        build="pyh0000000_0",
        subdir="noarch",
        depends=depends,
        noarch="python",
        entry_points=points,
    )


def data_package(name: str, version: str, files: dict[str, Member], *, license_id: str = "MIT") -> CondaPackage:
    """Return a package of data, for every platform."""
    return CondaPackage(
        name=name, version=version, files=files, subdir="noarch", noarch="generic", license=license_id, build="0"
    )


def _console_scripts(text: str) -> Iterator[str]:
    found = configparser.ConfigParser(delimiters=("=",))
    found.optionxform = str
    found.read_string(text)
    if found.has_section("console_scripts"):
        for name, value in found.items("console_scripts"):
            yield f"{name} = {value}"


def _member(path: Path) -> Member:
    """Return a file of the standard library, the prefix marked in text; binary files stay as they are."""
    if path.suffix == ".so":
        return Member(_relocated(_stripped(path), "$ORIGIN/../.."), executable=True)
    data = path.read_bytes()
    if b"\0" not in data and path.name.startswith("_sysconfig"):
        data = data.replace(sys.base_prefix.encode(), PLACEHOLDER.encode())
    return Member(data)


def _compiled(path: str, source: bytes) -> bytes:
    """Return a module's bytecode as conda-forge's Python brings it: for a source of that time and size (PEP 552)."""
    head = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, EPOCH_SECONDS, len(source))
    return head + marshal.dumps(compile(source, path, "exec", dont_inherit=True))


def _needed_libraries(*files: Path) -> list[Path]:
    """Return the libraries that files load on this machine and that not every Linux has."""
    said = subprocess.run(["ldd", *files], capture_output=True, text=True, check=True).stdout
    found = {Path(path) for path in re.findall(r"=> (/\S+)", said)}
    return sorted(path for path in found if not SYSTEM_LIBRARIES.fullmatch(path.name))


def _relocated(data: bytes, own: str) -> bytes:
    """Return a program or library that looks for libraries at ``own`` and not where it was built (its RUNPATH)."""
    built = f"{sys.base_prefix}/lib".encode() + b"\0"
    found = own.encode()
    return data.replace(b"\0" + built, b"\0" + found.ljust(len(built), b"\0")) if len(built) > len(found) else data


def _stripped(path: Path) -> bytes:
    """Return a program or library without its debugging symbols, where the machine has what removes them."""
    strip = shutil.which("strip")
    if strip is None:
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([strip, "--strip-unneeded", "-o", f"{folder}/out", path], check=False)
        return Path(folder, "out").read_bytes() if done.returncode == 0 else path.read_bytes()
