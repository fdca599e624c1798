"""The source kinds there are. To add one: a module beside this one, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.source import GitCommit, HttpArchive, LocalTree, PypiSdist
from pipeline.sources import git_commit, http_archive, local_tree, pypi_sdist

if TYPE_CHECKING:
    from pipeline.model.retrieval import Retrieval
    from pipeline.sources.interface import AnySource

KINDS = {
    "pypi_sdist": pypi_sdist.KIND,
    "http_archive": http_archive.KIND,
    "git_commit": git_commit.KIND,
    "local_tree": local_tree.KIND,
}


def retrieval_of(source: AnySource) -> Retrieval:
    """Return how the source's bytes are brought."""
    match source:
        case PypiSdist():
            return pypi_sdist.retrieval(source)
        case HttpArchive():
            return http_archive.retrieval(source)
        case GitCommit():
            return git_commit.retrieval(source)
        case LocalTree():
            return local_tree.retrieval(source)


def identity_of(source: AnySource) -> dict[str, object] | None:
    """Return what says what the source's bytes are, None where only looking tells."""
    match source:
        case PypiSdist():
            return pypi_sdist.identity(source)
        case HttpArchive():
            return http_archive.identity(source)
        case GitCommit():
            return git_commit.identity(source)
        case LocalTree():
            return None
