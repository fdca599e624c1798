"""Names within a published repository: what the publisher writes and the installer reads.

``metadata/`` holds TUF metadata, ``blobs/<first two hex digits>/<sha256>`` every file once. TUF target paths are names
for lookups only; the bytes of every target lie under their digest.
"""

from __future__ import annotations

METADATA_FOLDER = "metadata"
BLOBS_FOLDER = "blobs"
MANIFEST_COPY = "manifest.json"
README = "README.txt"
STAGING_FOLDER = ".staging"
LOCK_FILE = ".publish.lock"

ENGINES_ROLE = "engines"
ENGINES_PATTERN = "engines/*/*"  # TUF's "*" does not cross "/"
NAME_FIELD = "name"
DEVELOPMENT_FIELD = "x-engine-pipeline-development"
REPOSITORY_FIELD = "x-engine-pipeline-repository"

_MANIFEST = "manifest.json"


def blob_path(sha256: str) -> str:
    """Return where the file with that digest lies, relative to the repository."""
    return f"{BLOBS_FOLDER}/{sha256[:2]}/{sha256}"


def manifest_target(engine: str) -> str:
    """Return the target path of an engine's manifest."""
    return f"engines/{engine}/{_MANIFEST}"


def blob_target(engine: str, sha256: str) -> str:
    """Return the target path of a bundle, a layer or a statement of an engine."""
    return f"engines/{engine}/{sha256}"


def engine_of_manifest_target(path: str) -> str | None:
    """Return the engine whose manifest ``path`` is, None for any other target."""
    parts = path.split("/")
    if len(parts) == 3 and parts[0] == "engines" and parts[2] == _MANIFEST:
        return parts[1]
    return None
