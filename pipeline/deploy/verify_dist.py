"""A dist folder, against its manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.comparing import ListedFile
from pipeline.deploy.reading import read_plain
from pipeline.deploy.statements import check_built, note_bare
from pipeline.model.manifest_document import read_manifest
from pipeline.model.step_times import TIMES_FILE
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison

_MANIFEST = "manifest.json"


def verify_dist(folder: Path, comparison: FileComparison) -> None:
    """Compare every bundle and layer with the manifest, and name what it does not mention.

    Raises:
        IntegrityError: the manifest is malformed.
    """
    data = read_plain(folder / _MANIFEST, limit_bytes=LIMIT_BYTES)
    manifest = read_manifest(data, what=str(folder / _MANIFEST))
    comparison.add_verified(_MANIFEST, len(data))
    named: dict[str, tuple[str, int]] = {}
    known = {_MANIFEST, TIMES_FILE}
    for artifact in manifest.artifacts:
        named[artifact.url] = (artifact.sha256, artifact.size)
        named.update({layer.url: (layer.sha256, layer.size) for layer in artifact.layers})
        for statement in (artifact.provenance, artifact.sbom):
            if statement is not None and ":" not in statement:
                known.add(statement)
        check_built(folder, artifact, comparison)
    note_bare(manifest.artifacts, comparison)
    # A file elsewhere is not part of this folder.
    own = {url: listed for url, listed in sorted(named.items()) if ":" not in url}
    comparison.compare_files(ListedFile(folder / url, url, sha256, size) for url, (sha256, size) in own.items())
    known |= own.keys()
    for path, place in comparison.walk(folder):
        if path not in known:
            comparison.add_unexpected(path, place)
