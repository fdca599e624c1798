"""One commit of a git repository."""

from __future__ import annotations

from pipeline.model.retrieval import CheckOutCommit
from pipeline.model.source import GitCommit
from pipeline.model.statements import Material
from pipeline.sources.interface import SourceKind, public_url


def retrieval(source: GitCommit) -> CheckOutCommit:
    """Fetch that commit alone and check it out."""
    return CheckOutCommit(urls=source.urls, commit=source.commit, subtree=source.subtree)


def identity(source: GitCommit) -> dict[str, object]:
    """Return the commit id, which is git's own digest of the tree and its history."""
    return {"commit": source.commit, "subtree": source.subtree}


def material(source: GitCommit, tree_sha256: str | None) -> Material:
    """Name the repository and the commit."""
    del tree_sha256
    public = public_url(source.urls)
    uri = f"git+{public}@{source.commit}" if public else None
    return Material(uri=uri, name=source.commit, digest={"gitCommit": source.commit})


KIND = SourceKind(
    model=GitCommit,
    retrieval=retrieval,
    identity=identity,
    material=material,
    example=GitCommit(
        kind="git_commit",
        urls=("https://github.com/ggml-org/llama.cpp.git",),
        commit="0" * 40,
    ),
)
