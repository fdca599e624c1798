"""Which files of a mirror are for everybody: they are carried and served; nothing else ever is.

That leaves out ``.mirror/``, locks, staging folders and whatever else somebody put there.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from pipeline.model.mirror import FileKind
from pipeline.model.repository_layout import (
    BLOBS_FOLDER,
    INSTALLER_FOLDER,
    LANES_FOLDER,
    MANIFEST_COPY,
    METADATA_FOLDER,
    MIRROR_FILE,
    MODELS_FOLDER,
    README,
)

COPIES = (MANIFEST_COPY, MIRROR_FILE, README)
"""Files beside the signed ones; all of them can be made anew."""
OPEN_FOLDERS = (INSTALLER_FOLDER, MODELS_FOLDER)
"""Folders whose files have names of their own."""
_KINDS: dict[str, FileKind] = {BLOBS_FOLDER: "blob", INSTALLER_FOLDER: "installer", MODELS_FOLDER: "model"}
_DEPTH = 8
_SEGMENT = (
    r"[A-Za-z0-9_](?:[A-Za-z0-9._+-]{0,253}[A-Za-z0-9_+-])?"  # not dotted at either end: hidden, or lost on Windows
)
_METADATA = re.compile(rf"(?P<folder>(?:{LANES_FOLDER}/{_SEGMENT}/)?{METADATA_FOLDER})/(?P<name>{_SEGMENT})")
_BLOB = re.compile(rf"{BLOBS_FOLDER}/(?P<start>[0-9a-f]{{2}})/(?P<sha256>(?P=start)[0-9a-f]{{62}})")
_OPEN = re.compile(rf"(?:{'|'.join(OPEN_FOLDERS)})(?:/{_SEGMENT}){{1,{_DEPTH}}}")


def metadata_folder_of(path: str) -> str | None:
    """Return the metadata folder that a file is in, None for any other file."""
    found = _METADATA.fullmatch(path)
    return None if found is None else found["folder"]


def sha256_of_blob(path: str) -> str | None:
    """Return the digest that a blob's path is made of, None for any other file."""
    found = _BLOB.fullmatch(path)
    return None if found is None else found["sha256"]


def kind_of(path: str) -> FileKind:
    """Return what a file below a mirror is, by its place alone; one beside all folders counts as metadata."""
    return _KINDS.get(path.partition("/")[0], "metadata")


def is_public(path: str) -> bool:
    """Tell whether a path below a mirror is one that everybody may read."""
    return path in COPIES or any(pattern.fullmatch(path) for pattern in (_METADATA, _BLOB, _OPEN))


def require_public(path: str) -> str:
    """Return ``path`` if everybody may read it.

    Raises:
        ValueError: it is no such path; one that leads out of the mirror never is.
    """
    if not is_public(path):
        raise ValueError("is no path of a file that a mirror has for others")
    return path


PublicPath = Annotated[str, AfterValidator(require_public)]
