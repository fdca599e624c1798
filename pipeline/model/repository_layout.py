"""Names within a published repository: what the publisher writes and the installer reads.

``metadata/`` holds TUF metadata, ``blobs/<first two hex digits>/<sha256>`` every file once. TUF target paths are names
for lookups only; the bytes of every target lie under their digest.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

METADATA_FOLDER = "metadata"
BLOBS_FOLDER = "blobs"
MANIFEST_COPY = "manifest.json"
README = "README.txt"
STAGING_FOLDER = ".staging"
LOCK_FILE = ".publish.lock"

TargetFolder = Literal["engines", "envs"]
"""First part of a target path: of engines as such, and of environments (artifacts that were assembled)."""
TARGET_FOLDERS: tuple[TargetFolder, ...] = ("engines", "envs")
_ROLE_PREFIX: dict[TargetFolder, str] = {"engines": "engine-", "envs": "env-"}
NAME_FIELD = "name"
DEVELOPMENT_FIELD = "x-engine-pipeline-development"
REPOSITORY_FIELD = "x-engine-pipeline-repository"
LANE_FIELD = "x-engine-pipeline-lane"
"""In the root of a lane: a second repository over the same blobs, for example ``airgap``, with lifetimes of its own."""
LANE_PATTERN = r"[a-z][a-z0-9-]{0,31}"
BUILDERS_FIELD = "x-engine-pipeline-builders"
"""In the targets metadata of a lane: the keys that the publisher's statements are signed with."""

LANES_FOLDER = "lanes"
MIRROR_FILE = "mirror.json"
MIRROR_STATE_FOLDER = ".mirror"
INSTALLER_FOLDER = "installer"
MODELS_FOLDER = "models"

_MANIFEST = "manifest.json"
_REVOCATIONS = "revocations.json"
_DELTA = re.compile(r"delta-(?P<old>[0-9a-f]{64})-(?P<new>[0-9a-f]{64})")


def metadata_folder(lane: str | None) -> str:
    """Return where the metadata of the repository itself, or of one of its lanes, lies."""
    return METADATA_FOLDER if lane is None else f"{LANES_FOLDER}/{lane}/{METADATA_FOLDER}"


def blob_path(sha256: str) -> str:
    """Return where the file with that digest lies, relative to the repository."""
    return f"{BLOBS_FOLDER}/{sha256[:2]}/{sha256}"


def manifest_target(engine: str, folder: TargetFolder = "engines") -> str:
    """Return the target path of an engine's manifest."""
    return f"{folder}/{engine}/{_MANIFEST}"


def revocations_target(engine: str, folder: TargetFolder = "engines") -> str:
    """Return the target path of the list of an engine's builds that must not run any more."""
    return f"{folder}/{engine}/{_REVOCATIONS}"


def blob_target(engine: str, sha256: str, folder: TargetFolder = "engines") -> str:
    """Return the target path of a bundle, a layer or a statement of an engine."""
    return f"{folder}/{engine}/{sha256}"


class DeltaTrees(NamedTuple):
    """Tree digests of the layer that a delta starts from, and of the one that it makes."""

    old: str
    new: str


def delta_target(engine: str, trees: DeltaTrees, folder: TargetFolder = "engines") -> str:
    """Return the target path of what makes one layer out of another; both digests stand in it, so no list is needed."""
    return f"{folder}/{engine}/delta-{trees.old}-{trees.new}"


def trees_of_delta_target(path: str) -> DeltaTrees | None:
    """Return which layer a target makes of which, None for a target that is no delta."""
    place = _place(path)
    found = None if place is None else _DELTA.fullmatch(place[2])
    return None if found is None else DeltaTrees(found["old"], found["new"])


def engine_of_manifest_target(path: str) -> str | None:
    """Return the engine whose manifest ``path`` is, None for any other target."""
    place = _place(path)
    return place[1] if place is not None and place[2] == _MANIFEST else None


def engine_of_revocations_target(path: str) -> str | None:
    """Return the engine whose revocation list ``path`` is, None for any other target."""
    place = _place(path)
    return place[1] if place is not None and place[2] == _REVOCATIONS else None


def owner_of_target(path: str) -> tuple[TargetFolder, str] | None:
    """Return the folder and the engine that a target path belongs to, None for a path of another shape."""
    place = _place(path)
    return None if place is None else place[:2]


def delegated_role(engine: str, folder: TargetFolder = "engines") -> str:
    """Return the name of the role that signs for one engine."""
    return f"{_ROLE_PREFIX[folder]}{engine}"


def delegated_pattern(engine: str, folder: TargetFolder = "engines") -> str:
    """Return the only target paths that an engine's role may speak for; TUF's ``*`` does not cross ``/``."""
    return f"{folder}/{engine}/*"


def metadata_filename(role: str, version: int) -> str:
    """Return what a role's metadata is called below ``metadata/``: as python-tuf asks for it, timestamp unversioned."""
    return f"{role}.json" if role == "timestamp" else f"{version}.{quote(role, safe='')}.json"


def role_of_filename(filename: str) -> tuple[str, int | None] | None:
    """Return role and version that a metadata file's name says, None for a name that is none of metadata.

    The version is None where the name has none.
    """
    stem = filename.removesuffix(".json")
    if stem == filename or not stem:
        return None
    number, dot, role = stem.partition(".")
    if dot and role and number.isascii() and number.isdigit() and number[0] != "0" and len(number) < 10:
        return unquote(role), int(number)
    return unquote(stem), None


def _place(path: str) -> tuple[TargetFolder, str, str] | None:
    parts = path.split("/")
    if len(parts) != 3:
        return None
    for folder in TARGET_FOLDERS:
        if parts[0] == folder:
            return folder, parts[1], parts[2]
    return None
