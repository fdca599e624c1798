"""A folder on this machine, for people who work on the engine itself."""

from __future__ import annotations

from pipeline.model.retrieval import CopyFolder
from pipeline.model.source import LocalTree
from pipeline.model.statements import Material
from pipeline.sources.interface import SourceKind


def retrieval(source: LocalTree) -> CopyFolder:
    """Copy the folder without ``.git``."""
    return CopyFolder(path=source.path)


def identity(source: LocalTree) -> None:
    """Return None: only looking tells what is in the folder, so the plan takes its tree digest."""
    del source


def material(source: LocalTree, tree_sha256: str | None) -> Material:
    """Give the digest of the tree and say that it was a local one; its path is nobody's business."""
    del source
    return Material(name="local tree", digest={"treeSha256": tree_sha256 or ""})


KIND = SourceKind(
    model=LocalTree,
    retrieval=retrieval,
    identity=identity,
    material=material,
    example=LocalTree(kind="local_tree", path="../llama.cpp"),
)
