"""A folder on this machine, for people who work on the engine itself."""

from __future__ import annotations

from pipeline.model.retrieval import CopyFolder
from pipeline.model.source import LocalTree
from pipeline.sources.interface import SourceKind


def retrieval(source: LocalTree) -> CopyFolder:
    """Copy the folder without ``.git``."""
    return CopyFolder(path=source.path)


def identity(source: LocalTree) -> None:
    """Return None: only looking tells what is in the folder, so the plan takes its tree digest."""
    del source


KIND = SourceKind(
    model=LocalTree,
    retrieval=retrieval,
    identity=identity,
    example=LocalTree(kind="local_tree", path="../llama.cpp"),
)
