"""The source kinds there are. To add one: a module beside this one, a line here, and its model in ``model.source``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.sources import git_commit, http_archive, local_tree, pypi_sdist

if TYPE_CHECKING:
    from pipeline.model.retrieval import Retrieval
    from pipeline.model.statements import Material
    from pipeline.sources.interface import AnySource, SourceKind

KINDS: dict[str, SourceKind[Any]] = {
    "pypi_sdist": pypi_sdist.KIND,
    "http_archive": http_archive.KIND,
    "git_commit": git_commit.KIND,
    "local_tree": local_tree.KIND,
}


def retrieval_of(source: AnySource) -> Retrieval:
    """Return how the source's bytes are brought."""
    return KINDS[source.kind].retrieval(source)


def identity_of(source: AnySource) -> dict[str, object] | None:
    """Return what says what the source's bytes are, None where only looking tells."""
    return KINDS[source.kind].identity(source)


def material_of(source: AnySource, *, tree_sha256: str | None) -> Material:
    """Return how a statement of provenance names the source; a local one is known by its tree alone."""
    return KINDS[source.kind].material(source, tree_sha256)
