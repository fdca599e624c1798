"""A generation put together in staging from whole layers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.composing import compose, program_fault
from pipeline.deploy.places import SEAL_FILE, seal_of
from pipeline.environments.laying import lay
from pipeline.errors import IntegrityError
from pipeline.model.installation import Generation
from pipeline.model.manifest_document import write_document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.trust import TrustedRepository
    from pipeline.environments.laying import LayerSource
    from pipeline.model.manifest import Artifact, Layer
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk


def check_programs(artifact: Artifact, tree: Tree, *, over_host: bool = False) -> None:
    """Refuse an artifact whose entry points, or what its health check starts, are not in its files.

    Args:
        artifact: of a signed manifest.
        tree: its files.
        over_host: whether a program may be the host's, which a link leads to.

    Raises:
        IntegrityError: one is missing or not executable.
    """
    programs = dict(artifact.entry_points)
    if artifact.health:
        programs |= {path: path for path in (artifact.health.program, artifact.health.device_program)}
    for name, path in programs.items():
        if fault := program_fault(tree, path, may_lead_out=over_host):
            raise IntegrityError(
                f"{artifact.target} {artifact.version}: its program {name} ({path}) cannot be started: {fault}",
                hint="the bundle is not what it promises; tell its publisher",
            )


def lay_engine(
    artifact: Artifact, layers: Sequence[LayerSource], destination: Path, *, comparison: FileComparison, disk: Disk
) -> Tree:
    """Lay an engine's layers over each other; return what is in the folder then.

    Args:
        artifact: of a signed manifest.
        layers: in order.
        destination: made here.
        comparison: has the digests of what was read already.
        disk: how it is written.

    Raises:
        IntegrityError: layers contradict each other, a program is missing, or a file differs after it was laid.
    """
    ordered = {layer.tree.sha256: layer for layer in layers}
    tree, origin = compose((sha256, layer.tree) for sha256, layer in ordered.items())
    check_programs(artifact, tree)
    sources = {sha256: layer.folder for sha256, layer in ordered.items()}
    lay(tree, origin=origin, sources=sources, destination=destination, disk=disk)
    _check_laid(tree, destination, comparison=comparison)
    return tree


def _check_laid(tree: Tree, destination: Path, *, comparison: FileComparison) -> None:
    """Compare what was laid with what was signed; hard links to files that were just read cost nothing."""
    if not comparison.compare_tree(destination, tree.entries, name=""):
        finding = comparison.findings[-1]
        raise IntegrityError(
            f"{finding.path} is {finding.state} after it was written: {finding.detail}",
            hint="the disk or another program changed it; nothing was switched",
        )


def describe(
    artifact: Artifact, tree: Tree, layers: Sequence[Layer], repository: TrustedRepository, *, number: int, now: int
) -> Generation:
    """Return the record of a new generation, ``number`` of its engine, made ``now`` (seconds since 1970)."""
    time = datetime.fromtimestamp(now, UTC)
    return Generation(
        engine=artifact.engine,
        number=number,
        target=artifact.target,
        version=artifact.version,
        artifact=artifact,
        layers=tuple(layer.name for layer in layers),
        tree_sha256=tree.sha256,
        installed_at=f"{time:%Y-%m-%dT%H:%M:%SZ}",
        source=repository.location,
        repository=repository.identity,
        development=repository.development,
    )


def write_record(generation: Generation, folder: Path, *, disk: Disk) -> None:
    """Write a generation's record and its seal; the record comes last and makes the folder count."""
    record = write_document(generation)
    disk.write_file(folder / SEAL_FILE, seal_of(record))
    disk.write_file(folder / "generation.json", record)
