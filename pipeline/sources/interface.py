"""What a source kind is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pipeline.model.source import GitCommit, HttpArchive, LocalTree, PypiSdist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.model.retrieval import Retrieval
    from pipeline.model.statements import Material

AnySource = PypiSdist | HttpArchive | GitCommit | LocalTree
S = TypeVar("S", PypiSdist, HttpArchive, GitCommit, LocalTree)


def public_url(urls: Iterable[str]) -> str | None:
    """Return the first url that can be told to everybody: no file of this machine, no login, no token in a query."""
    return next((url for url in urls if url.startswith("https://") and not set(url) & {"@", "?"}), None)


class SourceKind(NamedTuple, Generic[S]):
    """One kind of source.

    Attributes:
        model: of a recipe's ``source`` table.
        retrieval: how its bytes are brought.
        identity: plain JSON of everything that says what the bytes are, and nothing that says where they come from;
            None for a kind whose content is only known by looking (its tree digest is then the identity).
        material: how a statement of provenance names it, given the digest of its tree.
        example: a valid value, for the conformance tests and the docs.
    """

    model: type[S]
    retrieval: Callable[[S], Retrieval]
    identity: Callable[[S], dict[str, object] | None]
    material: Callable[[S, str | None], Material]
    example: S
