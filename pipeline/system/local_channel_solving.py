"""Solves within a folder of packages, to prove a bundle; py-rattler must be there.

``rattler_solver`` solves for locks.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from rattler import (
    Channel,
    GenericVirtualPackage,
    MatchSpec,
    PackageName,
    SparseRepoData,
    Version,
    solve_with_sparse_repodata,
)
from rattler.exceptions import SolverError
from rattler.package.build_string import BuildString

from pipeline.errors import IntegrityError, ProofError

_NOARCH = "noarch"


def solve(channel: str, specs: list[str], subdir: str, virtual_packages: dict[str, str]) -> list[str]:
    """Return the file names, sorted, that solving in a local channel chooses; nothing of this machine is asked.

    Args:
        channel: folder with ``<subdir>/repodata.json``.
        specs: match specifications.
        subdir: of the platform; ``noarch`` is looked into as well where it is there.
        virtual_packages: name to version, or to version and build (``1 m1``, ``1=m1``).

    Raises:
        ProofError: nothing satisfies them.
        IntegrityError: a repodata.json is missing or cannot be read.
    """
    sources = [_read(Path(channel), name) for name in (subdir, _NOARCH) if name == subdir or _has(channel, name)]
    virtual = [virtual_package(name, text) for name, text in virtual_packages.items()]
    try:
        found = asyncio.run(
            solve_with_sparse_repodata([MatchSpec(spec) for spec in specs], sources, virtual_packages=virtual)
        )
    except SolverError as error:
        raise ProofError(
            f"nothing in the bundled channel satisfies {', '.join(specs)}: {' '.join(str(error).split())}",
            hint="the lock lacks a package, or was made for other virtual packages: make it anew with `lock`",
        ) from error
    return sorted(record.file_name for record in found)


def _has(channel: str, subdir: str) -> bool:
    return Path(channel, subdir, "repodata.json").is_file()


def _read(channel: Path, subdir: str) -> SparseRepoData:
    path = channel / subdir / "repodata.json"
    try:
        return SparseRepoData(Channel(channel.resolve().as_uri()), subdir, str(path))
    except Exception as error:
        # py-rattler has no class of its own for this; whatever it is, the file is at fault.
        raise IntegrityError(f"{path} is no channel's index: {error}", hint="make the layer anew") from error


def virtual_package(name: str, text: str) -> GenericVirtualPackage:
    """Return a virtual package of its name and its version, or version and build (``1 m1``, ``1=m1``)."""
    version, _, build = re.sub(r"[=\s]+", " ", text).strip().partition(" ")
    return GenericVirtualPackage(PackageName(name), Version(version or "0"), BuildString(build or "0"))
