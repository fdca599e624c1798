"""Laying a bundle's layers one over the other, as an installation does it, so that proofs are about what users get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ProofError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.outputs import Results
    from pipeline.model.tree import Tree
    from pipeline.ports import Services


def lay_layer(name: str, services: Services, results: Results, root: Path, work: Path) -> Tree:
    """Lay one layer over what is there; two layers never bring the same file. Return the layer's files.

    Args:
        name: of the step that made it.
        services: to unpack and read with.
        results: of the steps.
        root: where the layers are laid.
        work: a folder on the same file system.

    Raises:
        ProofError: the archive is not of the layer's tree, or a file is there already.
    """
    blob = results[name].blobs["layer"]
    archive, part = work / blob.filename, work / blob.sha256
    services.store.copy_blob(blob, archive)
    services.archiver.unpack(archive, part)
    found = services.trees.scan(part)
    if found.sha256 != results[name].trees["layer"].sha256:
        raise ProofError(f"{name}: its archive unpacks to another tree than it was packed from", hint="this is a bug")
    for entry in found.entries:
        destination = root / entry.path
        if destination.exists() or destination.is_symlink():
            raise ProofError(f"{entry.path} is in two layers of the bundle", hint="correct the components' outputs")
        destination.parent.mkdir(parents=True, exist_ok=True)
        (part / entry.path).rename(destination)
    return found
