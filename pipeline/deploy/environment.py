"""A generation that is a Python environment: made of its layers in staging, and listed as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.deploy.assembling import check_programs
from pipeline.deploy.environment_caches import keep_bytecode, keep_packages, list_packages, reusable_packages
from pipeline.deploy.places import FILES_FILE
from pipeline.environments.host_python import find_host_python
from pipeline.environments.listing import list_prefix, listed_text
from pipeline.environments.prefixes import check_prefix
from pipeline.environments.realizing import Site, realize
from pipeline.errors import HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.layout import Layout
    from pipeline.environments.host_python import HostPython
    from pipeline.environments.laying import LayerSource
    from pipeline.model.environment import EnvironmentCard
    from pipeline.model.installation import Generation
    from pipeline.model.manifest import Artifact
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk, Services

# Of 122 MB of a Python's files 25 MB of package are left at the level that conda-forge packs with (2026-11).
_UNPACKED_TIMES = 5
_PYTHON = "bin/python"


def unpacked_bytes(artifact: Artifact) -> int:
    """Return about how many bytes linking writes beside the files of an artifact's layers."""
    if artifact.environment is None or artifact.environment.base != "conda":
        return 0
    return sum(layer.installed_size for layer in artifact.layers if layer.role == "base") * _UNPACKED_TIMES


class Workplace(NamedTuple):
    """What an environment is made with.

    Attributes:
        layout: of the installation.
        comparison: has the digests of what was read already.
        services: what links packages and runs programs.
        disk: how files are written.
    """

    layout: Layout
    comparison: FileComparison
    services: Services
    disk: Disk


class EnvironmentAssembly:
    """One environment on its way into one root."""

    def __init__(self, artifact: Artifact, card: EnvironmentCard, number: int, at: Workplace) -> None:
        """Look at nothing yet; ``number`` is that of the new generation."""
        self._artifact = artifact
        self._card = card
        self._number = number
        self._layout, self._comparison, self._services, self._disk = at
        self._python: HostPython | None = None
        self._made: tuple[str, Path] | None = None

    def prepare(self, staging: Path, *, python: Path | None) -> None:
        """Find out whether the environment can be made here, before anything is downloaded.

        Raises:
            UsageError: its path would be too long or has characters that it cannot have, or a Python was named that it
            has no use for.
            HostError: the host lacks what links it, or the Python that it is made over.
        """
        if python is not None and self._card.base != "host":
            raise UsageError(f"{self._artifact.target} brings a Python of its own", hint="leave --python out")
        check_prefix(self._card, self._layout.tree_dir(self._artifact.engine, self._number), root=self._layout.root)
        if self._card.base == "host":
            self._python = find_host_python(
                self._card, self._artifact.platform, named=python, services=self._services, cwd=staging
            )
        elif self._services.conda is None:
            raise HostError("nothing here links conda packages", hint="pip install 'engine-pipeline[environments]'")

    def runs_on_same_python(self, kept: Generation) -> bool:
        """Tell whether a kept generation is over the Python that ``prepare`` has found, or brings its own."""
        if self._python is None:
            return True
        path = self._layout.tree_dir(kept.engine, kept.number) / _PYTHON
        return path.is_symlink() and path.readlink() == self._python.executable

    def make(self, layers: Sequence[LayerSource], staging: Path) -> Tree:
        """Make the environment in ``staging/generation/tree``, its list beside it; return what is in it."""
        artifact, tree_dir = self._artifact, staging / "generation" / "tree"
        site = Site(
            prefix=tree_dir,
            final_prefix=self._layout.tree_dir(artifact.engine, self._number),
            unpacked=self._unpacked(layers, staging),
            staged_bytecode=staging / "bytecode",
            bytecode_dir=self._layout.bytecode_of(artifact.engine, self._number),
        )
        realize(
            self._card,
            layers,
            site,
            platform=artifact.platform,
            services=self._services,
            disk=self._disk,
            python=self._python,
        )
        tree = list_prefix(tree_dir, digests=self._comparison.digests)
        check_programs(artifact, tree, over_host=self._card.base == "host")
        self._disk.write_file(tree_dir.parent / FILES_FILE, listed_text(tree))
        if self._made is not None:
            list_packages(self._made[1], comparison=self._comparison, disk=self._disk)
        return tree

    def keep(self, staging: Path) -> None:
        """Move what is kept beside the generation out of staging, before the generation itself."""
        if self._made is not None:
            keep_packages(self._layout, *self._made, disk=self._disk)
        keep_bytecode(self._layout, self._artifact.engine, self._number, staging / "bytecode", disk=self._disk)

    def _unpacked(self, layers: Sequence[LayerSource], staging: Path) -> Path:
        """Return the folder of unpacked packages: what an earlier installation has left, or one to be filled."""
        base = next((layer.tree.sha256 for layer in layers if layer.role == "base"), None)
        if base is not None and (kept := reusable_packages(self._layout, base, comparison=self._comparison)):
            return kept
        folder = staging / "unpacked"
        if base is not None:
            self._made = (base, folder)
        return folder


def prepared_environment(
    artifact: Artifact, number: int, staging: Path, at: Workplace, *, python: Path | None
) -> EnvironmentAssembly | None:
    """Return what makes an artifact's environment, after finding out that it can be made here; None where it has none.

    Raises:
        UsageError, HostError: as ``EnvironmentAssembly.prepare``.
    """
    if artifact.environment is None:
        if python is not None:
            raise UsageError(f"{artifact.target} needs no Python", hint="leave --python out")
        return None
    assembly = EnvironmentAssembly(artifact, artifact.environment, number, at)
    assembly.prepare(staging, python=python)
    return assembly
