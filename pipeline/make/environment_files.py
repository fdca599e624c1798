"""Every file of an environment with the package that brings it, as it would be linked; nothing is linked for that."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import HostError
from pipeline.make.channel_layer import CHANNEL_DIR
from pipeline.make.findings import Finding
from pipeline.proofs.distributions import read_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.make.environment_lock import WheelFiles
    from pipeline.model.environment import CondaPackage, LockedEnvironment
    from pipeline.model.tree import Tree
    from pipeline.ports import Services
    from pipeline.proofs.distributions import Distribution

CONDA_OWNER = "conda package "
"""What stands before the name of a conda package that owns a file."""
_INFO = "info/"
# Where the files of a package for every platform go (CEP 20, "noarch: python").
_NOARCH_FOLDERS = {"site-packages": "lib/python{python}/site-packages", "python-scripts": "bin"}
_METADATA = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


class PlacedFile(NamedTuple):
    """One file or link.

    Attributes:
        path: where it is now.
        owner: what brings it: a wheel, or ``conda package <name>``.
    """

    path: Path
    owner: str


def place_files(
    locked: LockedEnvironment,
    bundle: Path,
    wheels: WheelFiles,
    *,
    channel: Tree | None,
    services: Services,
    work: Path,
) -> tuple[dict[str, PlacedFile], tuple[Finding, ...]]:
    """Return every file by its path below the prefix, and the paths that both a wheel and a conda package bring.

    Of several conda packages with one path the first counts, as it is what a linker keeps.

    Args:
        locked: the environment.
        bundle: the layers, laid.
        wheels: what the layers of wheels hold.
        channel: files of the layer with the conda packages; None where there is none. Of those that are not the locked
            ones nothing is looked at.
        services: what unpacks conda packages.
        work: a folder, for them.

    Raises:
        IntegrityError: a conda package is damaged.
        HostError: nothing here unpacks conda packages.
    """
    files: dict[str, PlacedFile] = {}
    intact = _intact_packages(locked, channel)
    for path, placed in _conda_files(intact, bundle, python=locked.python, services=services, work=work):
        files.setdefault(path, placed)
    findings = []
    for path, wheel in wheels.owners.items():
        if path in files:
            findings.append(
                Finding(f"{path} is brought by {wheel} and by {files[path].owner}", "lock only one of the two")
            )
        files[path] = PlacedFile(bundle / path, wheel)
    return files, tuple(findings)


def _intact_packages(locked: LockedEnvironment, channel: Tree | None) -> list[CondaPackage]:
    digests = {} if channel is None else {entry.path: entry.sha256 for entry in channel.entries}
    return [
        package
        for package in locked.conda
        if digests.get(f"{CHANNEL_DIR}/{package.subdir}/{package.filename}") == package.sha256
    ]


def _conda_files(
    packages: list[CondaPackage], bundle: Path, *, python: str, services: Services, work: Path
) -> Iterator[tuple[str, PlacedFile]]:
    if not packages:
        return
    if services.conda is None:
        raise HostError("nothing here unpacks conda packages", hint="pip install 'engine-pipeline[environments]'")
    unpacked = work / "packages"
    unpacked.mkdir()
    archives = [bundle / CHANNEL_DIR / package.subdir / package.filename for package in packages]
    places = services.conda.unpack(archives, unpacked)
    for package, place in zip(packages, places, strict=True):
        owner = f"{CONDA_OWNER}{package.name}"
        for relative in _walk(place):
            if not relative.startswith(_INFO):
                yield _linked_path(relative, package, python), PlacedFile(place / relative, owner)


def _walk(folder: Path) -> Iterator[str]:
    """Yield every file and link below a folder."""
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted((*names, *links)):
            yield Path(parent, name).relative_to(folder).as_posix()


def _linked_path(path: str, package: CondaPackage, python: str) -> str:
    top, slash, rest = path.partition("/")
    folder = _NOARCH_FOLDERS.get(top) if package.noarch == "python" and slash else None
    return path if folder is None else f"{folder.format(python=python)}/{rest}"


def distributions(files: Mapping[str, PlacedFile], locked: LockedEnvironment) -> tuple[Distribution, ...]:
    """Return what the distributions among the files say of themselves, wheels first."""
    site = f"lib/python{locked.python}/site-packages"
    found = []
    for path, placed in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        if posixpath.dirname(folder) != site or _METADATA.get(posixpath.splitext(folder)[1]) != name:
            continue
        is_wheel = not placed.owner.startswith(CONDA_OWNER)
        text = placed.path.read_text(encoding="utf-8", errors="replace")
        distribution = read_distribution(text, brought_by=placed.owner, is_wheel=is_wheel)
        if distribution is not None:
            found.append(distribution)
    return tuple(sorted(found, key=lambda each: (not each.is_wheel, each.project)))
