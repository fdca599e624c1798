"""Reads envs/<environment>/ into locked environments: what is in them on a platform, with digests and sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from pipeline.catalog.conda_lock import LOCK, read_conda_packages
from pipeline.catalog.lock_files import Foreign, LockError, read_part, read_yaml, relock
from pipeline.catalog.locked import CONDA_PROBLEM, lock_conda
from pipeline.catalog.miniforge import read_miniforge
from pipeline.catalog.pylock import pylock_filename, read_wheels
from pipeline.model.environment import Floors, LockedEnvironment
from pipeline.model.frozen import Name, Version
from pipeline.names import PLATFORMS, conda_subdir

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.model.environment import CondaPackage
    from pipeline.model.environment_recipe import EnvironmentEngine
    from pipeline.model.wheel_recipe import WheelEngine

ENVIRONMENT = "environment.yml"
VIRTUAL_PACKAGES = "virtual-packages.yml"
_PYTHON = re.compile(r"python\s*={0,2}\s*([0-9]+\.[0-9]+)(?:\.[0-9*]+)*")  # python 3.14.*, python=3.14, python 3.14.9


class _Asked(Foreign):
    """What environment.yml asks for; conda's format."""

    name: Name
    channels: tuple[str, ...] = Field(min_length=1)
    platforms: tuple[str, ...] = Field(min_length=1)
    dependencies: tuple[str, ...] = Field(min_length=1)


class _Subdir(Foreign):
    """What a platform has, without quotes a version would be a number: 13.10 the number 13.1."""

    packages: dict[str, str] = Field(min_length=1)


class _Floors(Foreign):
    macos: Version | None
    glibc: Version | None


class EnvironmentSpec(NamedTuple):
    """What is asked of an environment on one platform, from the files that are written by hand.

    Attributes:
        name: of the environment, which is that of its folder.
        platform: of the contract's names.
        channels: as conda takes them, in order.
        specs: match specifications.
        python: ``3.14``, of the match specification for Python.
        virtual_packages: name to version.
        floors: the oldest systems.
    """

    name: str
    platform: str
    channels: tuple[str, ...]
    specs: tuple[str, ...]
    python: str
    virtual_packages: dict[str, str]
    floors: Floors


def environment_names(envs_dir: Path) -> tuple[str, ...]:
    """Return the environments there are, sorted: folders with an environment.yml.

    Raises:
        LockError: one says another name than its folder has, so that two could have one name; all are listed.
    """
    found: dict[str, str] = {}
    complaints = []
    for path in sorted(envs_dir.glob(f"*/{ENVIRONMENT}")):
        folder, name = path.parent.name, read_yaml(path).get("name")
        if name != folder:
            twin = f", as {envs_dir / str(name) / ENVIRONMENT} has" if (envs_dir / str(name)).is_dir() else ""
            complaints.append(f"{path}: name: is {name!r}{twin}, but the folder is called {folder!r}")
        elif (other := found.get(folder.lower())) is not None:
            complaints.append(f"{path}: name: {folder!r} and {other!r} are one name where case does not count")
        found[folder.lower()] = folder
    if complaints:
        raise LockError("\n".join(complaints), hint="give each environment the name of its folder")
    return tuple(sorted(found.values()))


def environment_platforms(folder: Path) -> tuple[str, ...]:
    """Return the platforms that an environment is for, as its environment.yml lists them.

    Raises:
        LockError: the file is missing or malformed, or lists a platform that conda knows and the contract does not.
    """
    path = folder / ENVIRONMENT
    asked = read_part(_Asked, read_yaml(path), str(path))
    known = {conda_subdir(platform): platform for platform in PLATFORMS}
    if unknown := [subdir for subdir in asked.platforms if subdir not in known]:
        raise LockError(f"{path}: platforms: {unknown[0]!r} is none of {', '.join(known)}")
    return tuple(known[subdir] for subdir in asked.platforms)


def read_spec(folder: Path, platform: str) -> EnvironmentSpec:
    """Return what is asked of an environment on a platform.

    Args:
        folder: of the environment, below envs/.
        platform: of the contract's names.

    Raises:
        LockError: a file is missing or malformed, or the environment is not for the platform; file and key are named.
    """
    path, subdir = folder / ENVIRONMENT, conda_subdir(platform)
    if not path.is_file():
        raise LockError(f"{path}: is missing", hint=f"environments there are: {_listed(folder.parent)}")
    environment_names(folder.parent)
    document = read_yaml(path)
    if any(isinstance(entry, dict) for entry in _as_list(document.get("dependencies"))):
        raise LockError(f"{path}: dependencies: has a pip section", hint="wheels belong into requirements.in")
    asked = read_part(_Asked, document, str(path))
    if subdir not in asked.platforms:
        raise LockError(
            f"{path}: platforms: has no {subdir}, so {folder.name} is not for {platform}",
            hint="add it and lock again, or take it out of the recipe's platforms",
        )
    pythons = [match[1] for spec in asked.dependencies if (match := _PYTHON.fullmatch(spec.strip()))]
    if len(pythons) != 1:
        raise LockError(f"{path}: dependencies: say no Python, or several", hint="write `python 3.14.*`")
    virtual_packages = _virtual_packages(folder, subdir)
    return EnvironmentSpec(
        name=folder.name,
        platform=platform,
        channels=asked.channels,
        specs=asked.dependencies,
        python=pythons[0],
        virtual_packages=virtual_packages,
        floors=_floors(folder, virtual_packages, platform),
    )


def read_environment(folder: Path, platform: str) -> LockedEnvironment:
    """Return what an environment is made of on a platform.

    Args:
        folder: of the environment, below envs/.
        platform: of the contract's names.

    Raises:
        LockError: a file is missing or malformed; an entry has no sha256 or size, or is not what another file says of
            it; a wheel does not fit. File and entry are named.
    """
    spec = read_spec(folder, platform)
    packages, problem = _conda_packages(folder, platform)
    python = next((package.version for package in packages if package.name == "python"), None)
    if packages and (python is None or _minor(python) != spec.python):
        found = f"Python {python}" if python else "no Python"
        raise LockError(
            f"{folder / LOCK}: has {found} for {platform}, and {ENVIRONMENT} asks for {spec.python}",
            hint=relock(folder.name),
        )
    full_python = python or f"{spec.python}.99"
    wheels = read_wheels(folder, platform, python=spec.python, full_python=full_python, floors=spec.floors)
    return LockedEnvironment(
        name=spec.name,
        platform=platform,
        python=spec.python,
        floors=spec.floors,
        specs=spec.specs,
        virtual_packages=spec.virtual_packages,
        conda=packages,
        conda_problem=problem,
        wheels=wheels,
    )


def read_locked_engine(envs_dir: Path, engine: EnvironmentEngine, platform: str) -> LockedEnvironment:
    """Return what an engine's environment is made of on a platform; its own package is among the wheels.

    Raises:
        LockError: as ``read_environment``; or the engine's package is not locked.
    """
    environment = read_environment(envs_dir / engine.environment, platform)
    if environment.wheel(engine.package) is None:
        raise LockError(
            f"{envs_dir / engine.environment / pylock_filename(platform)}: has no {engine.package}, "
            f"whose version is that of {engine.name}",
            hint=f"add it to requirements.in; {relock(engine.environment)}",
        )
    return environment


def check_environments(
    envs_dir: Path, engines: Iterable[EnvironmentEngine], wheels: Iterable[WheelEngine] = ()
) -> tuple[str, ...]:
    """Return the names of all environments, after reading each for every platform of its engines.

    ``wheels`` are engines that are built as wheels; an environment of theirs has what they need and not themselves.

    Raises:
        LockError: any file is missing or wrong; the complaints about all of them are listed.
    """
    complaints: list[str] = []
    names: tuple[str, ...] = ()
    try:
        names = environment_names(envs_dir)
    except LockError as error:
        complaints.append(error.message)
    for engine in engines:
        for platform in engine.platforms:
            try:
                read_locked_engine(envs_dir, engine, platform)
                read_miniforge(envs_dir / engine.environment, platform)
            except LockError as error:
                complaints.append(error.message)
    for wheel in wheels:
        for platform in wheel.platforms:
            try:
                read_environment(envs_dir / wheel.environment, platform)
            except LockError as error:
                complaints.append(error.message)
    if complaints:
        lines = dict.fromkeys(line for text in complaints for line in text.split("\n"))
        raise LockError("\n".join(lines), hint="`lock --env NAME` writes the locks of an environment anew")
    return names


def _conda_packages(folder: Path, platform: str) -> tuple[tuple[CondaPackage, ...], str]:
    problem_path = folder / CONDA_PROBLEM
    if not problem_path.is_file():
        return read_conda_packages(folder, platform), ""
    if (folder / LOCK).exists():
        raise LockError(
            f"{problem_path}: says that there is no {LOCK}, and there is",
            hint=f"remove {problem_path}: what is locked counts",
        )
    problem = " ".join(problem_path.read_text(encoding="utf-8").split())
    if not problem:
        raise LockError(
            f"{problem_path}: is empty",
            hint=f"write down in it why no conda packages are locked; {lock_conda(folder.name)}",
        )
    return (), problem


def _virtual_packages(folder: Path, subdir: str) -> dict[str, str]:
    path = folder / VIRTUAL_PACKAGES
    subdirs = read_yaml(path).get("subdirs")
    if not isinstance(subdirs, dict) or subdir not in subdirs:
        raise LockError(f"{path}: subdirs.{subdir}: is missing", hint="the oldest system is written down there alone")
    return read_part(_Subdir, subdirs[subdir], f"{path}: subdirs.{subdir}").packages


def _floors(folder: Path, virtual_packages: dict[str, str], platform: str) -> Floors:
    system, needed = platform.partition("-")[0], {"macos": "__osx", "linux": "__glibc"}
    path = folder / VIRTUAL_PACKAGES
    if system in needed and needed[system] not in virtual_packages:
        raise LockError(f"{path}: subdirs.{conda_subdir(platform)}: has no {needed[system]}")
    said = {"macos": virtual_packages.get("__osx"), "glibc": virtual_packages.get("__glibc")}
    found = read_part(_Floors, said, f"{path}: subdirs.{conda_subdir(platform)}")
    for name, floor in (("__osx", found.macos), ("__glibc", found.glibc)):
        if floor is not None and not re.fullmatch(r"[0-9]+(\.[0-9]+)*", floor):
            raise LockError(f"{path}: subdirs.{conda_subdir(platform)}.packages.{name}: {floor!r} is no version")
    return Floors(macos=found.macos, glibc=found.glibc)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _listed(envs_dir: Path) -> str:
    return ", ".join(sorted(path.parent.name for path in envs_dir.glob(f"*/{ENVIRONMENT}"))) or "none"
