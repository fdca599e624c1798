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
LANE_FIELD = "x-engine-pipeline-lane"
"""In the root of a lane: a second repository over the same blobs, for example ``airgap``, with lifetimes of its own."""
BUILDERS_FIELD = "x-engine-pipeline-builders"
"""In the targets metadata of a lane: the keys that the publisher's statements are signed with."""

LANES_FOLDER = "lanes"
MIRROR_FILE = "mirror.json"
MIRROR_STATE_FOLDER = ".mirror"
INSTALLER_FOLDER = "installer"
MODELS_FOLDER = "models"

_MANIFEST = "manifest.json"
_REVOCATIONS = "revocations.json"


def metadata_folder(lane: str | None) -> str:
    """Return where the metadata of the repository itself, or of one of its lanes, lies."""
    return METADATA_FOLDER if lane is None else f"{LANES_FOLDER}/{lane}/{METADATA_FOLDER}"


def blob_path(sha256: str) -> str:
    """Return where the file with that digest lies, relative to the repository."""
    return f"{BLOBS_FOLDER}/{sha256[:2]}/{sha256}"


def manifest_target(engine: str) -> str:
    """Return the target path of an engine's manifest."""
    return f"engines/{engine}/{_MANIFEST}"


def revocations_target(engine: str) -> str:
    """Return the target path of the list of an engine's builds that must not run any more."""
    return f"engines/{engine}/{_REVOCATIONS}"


def blob_target(engine: str, sha256: str) -> str:
    """Return the target path of a bundle, a layer or a statement of an engine."""
    return f"engines/{engine}/{sha256}"


def engine_of_manifest_target(path: str) -> str | None:
    """Return the engine whose manifest ``path`` is, None for any other target."""
    parts = path.split("/")
    if len(parts) == 3 and parts[0] == "engines" and parts[2] == _MANIFEST:
        return parts[1]
    return None
