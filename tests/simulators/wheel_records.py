"""Digests of an engine that a wheel installed, computed from the files and not by the wheel's own code."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from pipeline.digest import tree_digest
from pipeline.model.tree import TreeEntry

if TYPE_CHECKING:
    from pathlib import Path


def installed_digests(package: Path) -> dict[str, str]:
    """Return the digest of each layer: links as recorded, everything else as it lies there."""
    record = json.loads((package / "engine.json").read_text())
    places = {path: place for place, path in record["installed"].items()}
    found = {}
    for layer in record["layers"]:
        entries = [TreeEntry.model_validate(entry, strict=False) for entry in layer["files"]]
        found[layer["name"]] = tree_digest(
            entry if entry.link else _measured(package / "tree" / places[entry.path], entry.path) for entry in entries
        )
    return found


def _measured(file: Path, path: str) -> TreeEntry:
    data = file.read_bytes()
    mode = 0o755 if os.access(file, os.X_OK) else 0o644
    return TreeEntry(path=path, mode=mode, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
