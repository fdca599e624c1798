"""One commit of a git repository."""

from __future__ import annotations

from pipeline.model.retrieval import CheckOutCommit
from pipeline.model.source import GitCommit
from pipeline.sources.interface import SourceKind


def retrieval(source: GitCommit) -> CheckOutCommit:
    """Fetch that commit alone and check it out."""
    return CheckOutCommit(urls=source.urls, commit=source.commit, subtree=source.subtree)


def identity(source: GitCommit) -> dict[str, object]:
    """Return the commit id, which is git's own digest of the tree and its history."""
    return {"commit": source.commit, "subtree": source.subtree}


KIND = SourceKind(
    model=GitCommit,
    retrieval=retrieval,
    identity=identity,
    example=GitCommit(
        kind="git_commit",
        urls=("https://github.com/ggml-org/llama.cpp.git",),
        commit="0" * 40,
    ),
)
