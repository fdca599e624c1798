"""A generation put together in staging from whole layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.composing import folders_of, program_fault
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.model.manifest import Artifact
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk


def check_programs(artifact: Artifact, tree: Tree) -> None:
    """Refuse an artifact whose entry points, or what its health check starts, are not in its files.

    Raises:
        IntegrityError: one is missing or not executable.
    """
    programs = dict(artifact.entry_points)
    if artifact.health:
        programs |= {path: path for path in (artifact.health.program, artifact.health.device_program)}
    for name, path in programs.items():
        if fault := program_fault(tree, path):
            raise IntegrityError(
                f"{artifact.target} {artifact.version}: its program {name} ({path}) cannot be started: {fault}",
                hint="the bundle is not what it promises; tell its publisher",
            )


def lay(tree: Tree, *, origin: Mapping[str, str], sources: Mapping[str, Path], destination: Path, disk: Disk) -> None:
    """Write a tree into a new folder, its files and links as hard links to those of the layers.

    Args:
        tree: of all layers together.
        origin: path to the digest of the layer it comes from.
        sources: digest of a layer to its folder.
        destination: made here.
        disk: how it is written.
    """
    disk.make_dirs(destination, durable=False)
    for folder in folders_of(tree.entries):
        disk.make_dirs(destination / folder, durable=False)
    for entry in tree.entries:
        disk.link_file(sources[origin[entry.path]] / entry.path, destination / entry.path)


def check_laid(tree: Tree, destination: Path, *, comparison: FileComparison) -> None:
    """Compare what was laid with what was signed; hard links to files that were just read cost nothing.

    Raises:
        IntegrityError: a file differs; it is named.
    """
    if not comparison.compare_tree(destination, tree.entries, name=""):
        finding = comparison.findings[-1]
        raise IntegrityError(
            f"{finding.path} is {finding.state} after it was written: {finding.detail}",
            hint="the disk or another program changed it; nothing was switched",
        )
