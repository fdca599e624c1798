"""Pinned releases, read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.upstream import PinnedRelease

if TYPE_CHECKING:
    from pathlib import Path


def read_pinned_releases(folder: Path) -> dict[str, dict[str, PinnedRelease]]:
    """Read."""
    found: dict[str, dict[str, PinnedRelease]] = {}
    for path in sorted(folder.glob("*/*.json")):
        found.setdefault(path.parent.name, {})[path.stem] = PinnedRelease.model_validate_json(path.read_bytes())
    return found
