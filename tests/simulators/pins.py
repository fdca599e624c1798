"""Pinned releases for tests that plan with them: real names, made-up digests."""

from __future__ import annotations

from pipeline.catalog import Catalog
from pipeline.digest import sha256_bytes
from pipeline.model.upstream import PinnedAsset, PinnedRelease, TrustLevel

ENGINE = "llama.cpp"


def asset(name: str, *, level: TrustLevel = "digest", size_bytes: int = 1000) -> PinnedAsset:
    """Return an asset whose digest is that of its own name."""
    return PinnedAsset(
        name=name,
        urls=(f"https://releases.example/{name}",),
        size_bytes=size_bytes,
        sha256=sha256_bytes(name.encode()),
        level=level,
    )


def release(tag: str, targets: dict[str, tuple[str, ...]]) -> PinnedRelease:
    """Return a release with the archives that its targets need."""
    return PinnedRelease(
        schema_version=1,
        engine=ENGINE,
        repository="ggml-org/llama.cpp",
        tag=tag,
        build_number=int(tag[1:]),
        published_at="2026-09-09T22:14:05Z",
        assets=tuple(asset(name) for name in dict.fromkeys(name for found in targets.values() for name in found)),
        targets=targets,
    )


def with_releases(catalog: Catalog, *releases: PinnedRelease) -> Catalog:
    """Return a catalog with these pinned releases and no others."""
    return catalog.model_copy(update={"upstream": {ENGINE: {found.tag: found for found in releases}}})
