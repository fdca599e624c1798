"""Archives in upstream's true layouts, and the pins that name them."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

from pipeline.digest import sha256_stream
from pipeline.model.upstream import PinnedAsset, PinnedRelease, TrustLevel


def pack(folder: Path, archive: Path, *, root: str = "") -> Path:
    """Pack a folder's files: a zip is flat, a tar.gz has them below ``root`` and keeps links."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in paths:
                packed.writestr(path.relative_to(folder).as_posix(), path.read_bytes())  # no modes: made on Windows
        return archive
    with tarfile.open(archive, "w:gz") as packed:
        for path in paths:
            packed.add(path, f"{root}/{path.relative_to(folder).as_posix()}" if root else path.name)
    return archive


def pinned(archive: Path, url: str, *, level: TrustLevel = "digest") -> PinnedAsset:
    """Return the pin of an archive as it is now."""
    with archive.open("rb") as stream:
        sha256, size = sha256_stream(stream)
    return PinnedAsset(name=archive.name, urls=(url,), size_bytes=size, sha256=sha256, level=level)


def write_pin(
    recipes: Path,
    assets: list[PinnedAsset],
    targets: dict[str, list[str]],
    *,
    engine: str,
    tag: str,
    repository: str,
    published_at: str = "2026-09-09T22:14:05Z",
) -> Path:
    """Write ``upstream/<engine>/<tag>.json`` into a recipe folder."""
    release = PinnedRelease(
        schema_version=1,
        engine=engine,
        repository=repository,
        tag=tag,
        build_number=int(tag.lstrip("abcdefghijklmnopqrstuvwxyz")),
        published_at=published_at,
        assets=tuple(assets),
        targets={target: tuple(names) for target, names in targets.items()},
    )
    path = recipes / "upstream" / engine / f"{tag}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(release.model_dump(mode="json"), indent=1))
    return path
