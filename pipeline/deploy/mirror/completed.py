"""What the last sync that ended has left: while nothing changed since, looking at sizes is enough."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.errors import IntegrityError, PipelineError, UsageError
from pipeline.model.frozen import Frozen, Sha256
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.mirror import MirrorSelection
from pipeline.model.repository_layout import MIRROR_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.ports import Disk


class CompletedSync(Frozen):
    """``.mirror/completed.json``: removed before anything is changed, written when everything is done.

    Attributes:
        schema_version: 1.
        source: where it came from.
        selection: what was wanted.
        snapshot_sha256: of the snapshot that lists all targets.
        document_sha256: of ``mirror.json``.
        installer_key: which installer files were wanted, empty for none.
        artifacts: how many are held.
        revoked: which of them were withdrawn, with the reason.
        files: path to size of every file that the sync has put there, but those that every timestamp changes.
    """

    schema_version: Literal[1] = 1
    source: str
    selection: MirrorSelection
    snapshot_sha256: Sha256
    document_sha256: Sha256
    installer_key: str = ""
    artifacts: int = Field(ge=0)
    revoked: tuple[str, ...] = ()
    files: dict[str, int]


def read_completed(layout: MirrorLayout) -> CompletedSync | None:
    """Return the record, None when there is none; one that cannot be read counts as none."""
    try:
        return read_document(CompletedSync, layout.completed_path.read_bytes(), what=str(layout.completed_path))
    except (FileNotFoundError, PipelineError):
        return None


def last_sync(layout: MirrorLayout) -> tuple[str, MirrorSelection]:
    """Return where a mirror was synced from and what it shall hold: by ``mirror.json``, else by the record.

    Raises:
        UsageError: neither says.
    """
    with suppress(IntegrityError):
        if (document := layout.document()) is not None:
            return document.source, document.selection
    if (record := read_completed(layout)) is not None:
        return record.source, record.selection
    raise UsageError(
        f"{layout.folder} has no {MIRROR_FILE} that can be read",
        hint=f"`mirror create --from URL_OR_DIR --to {layout.folder}` with what it shall hold writes it",
    )


def write_completed(layout: MirrorLayout, record: CompletedSync, disk: Disk) -> None:
    """Write the record."""
    disk.replace_file(layout.completed_path, write_document(record), staging_dir=layout.staging_dir)


def forget_completed(layout: MirrorLayout, disk: Disk) -> None:
    """Remove the record, durably: what follows changes the mirror."""
    if layout.completed_path.exists():
        disk.remove(layout.completed_path)
        disk.sync_names(layout.state_dir)


def all_there(folder: Path, files: dict[str, int]) -> bool:
    """Tell whether every file is there as a plain file of its size; no byte is read."""
    prefix = os.fspath(folder) + os.sep
    try:
        for path, size in files.items():
            status = os.lstat(prefix + path)  # a string: 8,000 Paths take ten times as long as the calls
            if status.st_size != size or not stat.S_ISREG(status.st_mode):
                return False
    except OSError:
        return False
    return True
