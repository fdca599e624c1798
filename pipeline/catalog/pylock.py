"""Reads pylock.<platform>.toml (PEP 751): one wheel a project, by file name, size and sha256, and no index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name, canonicalize_version, parse_wheel_filename
from pydantic import Field

from pipeline.catalog.lock_files import Foreign, LockError, read_part, read_toml, relock
from pipeline.model.counts import counted
from pipeline.model.environment import WheelFile
from pipeline.model.frozen import Name, Sha256
from pipeline.proofs.wheel_tags import wheel_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.model.environment import Floors

_SOURCES = ("sdist", "archive", "directory", "vcs")  # PEP 751: what a package can be besides wheels


class _Hashes(Foreign):
    sha256: Sha256


class _Wheel(Foreign):
    path: str
    size: int = Field(gt=0)
    hashes: _Hashes


class _Package(Foreign):
    name: Name
    version: str
    wheels: tuple[_Wheel, ...] = ()


def pylock_filename(platform: str) -> str:
    """Return the name of a platform's file: uv and pip take no further dot in it."""
    return f"pylock.{platform}.toml"


def read_wheels(folder: Path, platform: str, *, python: str, full_python: str, floors: Floors) -> tuple[WheelFile, ...]:
    """Return the locked wheels of a platform, sorted by project.

    Args:
        folder: of the environment, below envs/.
        platform: of the contract's names.
        python: ``3.14``.
        full_python: with the patch release where that is locked: ``3.14.9``.
        floors: the oldest systems that a wheel must fit.

    Raises:
        LockError: the file is missing or malformed; a package is no wheel or several, one lacks its sha256 or size, or
            does not fit platform, Python or floor. File and entry are named, all complaints are listed.
    """
    path = folder / pylock_filename(platform)
    document = read_toml(path)
    complaints = list(_faults_of_lock(path, document, full_python))
    wheels: dict[str, WheelFile] = {}
    listed = document.get("packages")
    for value in listed if isinstance(listed, list) else ():
        named = value.get("name") if isinstance(value, dict) else value
        where = f"{path}: package {named}"
        try:
            wheel = _wheel(value, where)
        except LockError as error:
            complaints.append(error.message)
            continue
        if wheel.project in wheels:
            complaints.append(f"{where}: is listed twice")
        if problem := wheel_problem(wheel.filename, platform=platform, python=python, floors=floors):
            complaints.append(f"{where}: {wheel.filename} {problem}")
        wheels[wheel.project] = wheel
    if not (wheels or complaints):
        complaints.append(f"{path}: packages: lists nothing")
    if complaints:
        raise LockError("\n".join(complaints), hint=relock(folder.name))
    return tuple(wheels[project] for project in sorted(wheels))


def _faults_of_lock(path: Path, document: Mapping[str, object], full_python: str) -> Iterator[str]:
    if document.get("lock-version") != "1.0":
        yield f"{path}: lock-version: is {document.get('lock-version')!r}, and '1.0' is what is read here"
    asked = document.get("requires-python", "")
    try:
        fits = SpecifierSet(str(asked)).contains(full_python, prereleases=True)
    except InvalidSpecifier:
        fits = False
    if not fits:
        yield f"{path}: requires-python: is {asked!r}, which Python {full_python} is not"


def _wheel(value: object, where: str) -> WheelFile:
    if isinstance(value, dict):
        if sources := [key for key in _SOURCES if key in value]:
            raise LockError(f"{where}: {sources[0]}: only wheels can be put into a bundle")
        if "marker" in value:
            raise LockError(f"{where}: marker: a lock of one platform says what is there, under no condition")
    package = read_part(_Package, value, where)
    if len(package.wheels) != 1:
        raise LockError(f"{where}: wheels: lists {counted(len(package.wheels), 'file')}, and one is wanted")
    wheel = package.wheels[0]
    filename = wheel.path.rpartition("/")[2]
    project = canonicalize_name(package.name)
    try:
        named, version, _, _ = parse_wheel_filename(filename)
    except ValueError as error:
        raise LockError(f"{where}: wheels.0.path: {error}") from error
    if named != project or canonicalize_version(version) != canonicalize_version(package.version):
        raise LockError(f"{where}: wheels.0.path: {filename} is {named} {version}, not {project} {package.version}")
    values = {
        "project": str(project),
        "version": package.version,
        "filename": filename,
        "sha256": wheel.hashes.sha256,
        "size_bytes": wheel.size,
    }
    return read_part(WheelFile, values, where)
