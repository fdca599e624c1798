"""Archives on a web server, for example the tag archives of a repository."""

from __future__ import annotations

from pipeline.model.retrieval import DownloadArchive
from pipeline.model.source import HttpArchive
from pipeline.model.statements import Material
from pipeline.sources.interface import SourceKind, public_url


def retrieval(source: HttpArchive) -> DownloadArchive:
    """Download from the first url that has it, then unpack."""
    return DownloadArchive(
        package=None,
        urls=source.urls,
        filename=source.filename,
        sha256=source.sha256,
        size_bytes=source.size_bytes,
        subtree=source.subtree,
    )


def identity(source: HttpArchive) -> dict[str, object]:
    """Return the archive's digest and the part of it that is used; its urls say only where it is."""
    return {"archive": source.sha256, "subtree": source.subtree}


def material(source: HttpArchive, tree_sha256: str | None) -> Material:
    """Name the first public url that the recipe gives; the digest is the archive's."""
    del tree_sha256
    return Material(uri=public_url(source.urls), name=source.filename, digest={"sha256": source.sha256})


KIND = SourceKind(
    model=HttpArchive,
    retrieval=retrieval,
    identity=identity,
    material=material,
    example=HttpArchive(
        kind="http_archive",
        urls=("https://github.com/ggml-org/llama.cpp/archive/refs/tags/b11434.tar.gz",),
        filename="llama.cpp-b11434.tar.gz",
        sha256="0" * 64,
    ),
)
