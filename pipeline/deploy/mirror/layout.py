"""Where things stand in a mirror: what everybody may read, and ``.mirror/`` with what is the mirror's own business.

``.mirror/`` has ``lock``, ``downloads/``, ``staging/`` (half-made and taken out of use), ``trust/`` (what was
seen of the source), ``root.json`` (where trust starts) and ``completed.json`` (the last sync that ended).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.model.manifest_document import read_document
from pipeline.model.mirror import MirrorDocument
from pipeline.model.repository_layout import (
    BLOBS_FOLDER,
    INSTALLER_FOLDER,
    METADATA_FOLDER,
    MIRROR_FILE,
    MIRROR_STATE_FOLDER,
    MODELS_FOLDER,
    blob_path,
)

if TYPE_CHECKING:
    from pathlib import Path


class MirrorLayout:
    """The paths of one mirror."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document_path = folder / MIRROR_FILE
        self.metadata_dir = folder / METADATA_FOLDER
        self.blobs_dir = folder / BLOBS_FOLDER
        self.installer_dir = folder / INSTALLER_FOLDER
        self.models_dir = folder / MODELS_FOLDER
        self.state_dir = folder / MIRROR_STATE_FOLDER
        self.downloads_dir = self.state_dir / "downloads"
        self.staging_dir = self.state_dir / "staging"
        self.trust_dir = self.state_dir / "trust"
        self.lock_path = self.state_dir / "lock"
        self.trusted_root_path = self.state_dir / "root.json"
        self.completed_path = self.state_dir / "completed.json"

    def blob(self, sha256: str) -> Path:
        """Return where the file with that digest lies."""
        return self.folder / blob_path(sha256)

    def is_mirror(self) -> bool:
        """Tell whether the folder holds a mirror, a whole one or one that is being made."""
        return self.document_path.is_file() or self.state_dir.is_dir()

    def check(self, *, may_be_new: bool = False) -> None:
        """Refuse a folder that is no mirror.

        Args:
            may_be_new: whether it may be empty or not there.

        Raises:
            UsageError: it is no mirror; with ``may_be_new`` only when it holds something else.
        """
        if self.is_mirror():
            return
        if not may_be_new:
            raise UsageError(f"{self.folder} is no mirror", hint="`mirror create --from URL_OR_DIR --to DIR` makes one")
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise UsageError(f"{self.folder} holds something else than a mirror", hint="choose an empty folder")

    def document(self) -> MirrorDocument | None:
        """Return ``mirror.json``, None when it is not there.

        Raises:
            IntegrityError: it is malformed.
        """
        if not self.document_path.is_file():
            return None
        return read_document(MirrorDocument, self.document_path.read_bytes(), what=str(self.document_path))

    def require_document(self) -> MirrorDocument:
        """Return ``mirror.json``.

        Raises:
            UsageError: it is not there: no mirror, or one that was never completed.
            IntegrityError: it is malformed.
        """
        document = self.document()
        if document is None:
            raise UsageError(
                f"{self.folder} has no {MIRROR_FILE}",
                hint="`mirror sync` writes it where one has ended before, else `mirror create` with the same options",
            )
        return document
