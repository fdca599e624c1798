"""A dist folder, against its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.shapes import walk
from pipeline.deploy.statements import check_statements, note_bare
from pipeline.model.manifest_document import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison

_MANIFEST = "manifest.json"


def verify_dist(folder: Path, comparison: FileComparison) -> None:
    """Compare every bundle and layer with the manifest, and name what it does not mention.

    Raises:
        IntegrityError: the manifest is malformed.
    """
    manifest = read_manifest((folder / _MANIFEST).read_bytes(), what=str(folder / _MANIFEST))
    comparison.verified += 1
    named: dict[str, tuple[str, int]] = {}
    known = {_MANIFEST}
    for artifact in manifest.artifacts:
        named[artifact.url] = (artifact.sha256, artifact.size)
        named.update({layer.url: (layer.sha256, layer.size) for layer in artifact.layers})
        for statement in (artifact.provenance, artifact.sbom):
            if statement is not None and ":" not in statement:
                known.add(statement)
                if not (folder / statement).is_file():
                    comparison.add(statement, "missing")
        check_statements(folder, artifact, None, comparison)
    note_bare(manifest.artifacts, comparison)
    for url, (sha256, size) in sorted(named.items()):
        if ":" not in url:  # a file elsewhere is not part of this folder
            known.add(url)
            comparison.compare_file(folder / url, name=url, sha256=sha256, size_bytes=size)
    for path, _ in walk(folder):
        if path not in known:
            comparison.add(path, "unexpected")
