"""One self-contained bundle file, against the card that it carries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.deploy.comparing import ListedTree
from pipeline.deploy.reading import read_plain
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import read_bundle_card
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.ports import Services

_CARD = "bundle.json"


def verify_bundle(path: Path, comparison: FileComparison, *, services: Services) -> None:
    """Unpack a bundle into a work folder and compare every file with its card.

    Raises:
        IntegrityError: the archive is malformed, or has no card.
        NoSpaceError: there is no room to unpack it.
    """
    # Named after the path's digest: a file may have any name.
    with services.store.work_dir(f"verify-{sha256_bytes(os.fsencode(path))[:16]}") as folder:
        services.archiver.unpack(path, folder)
        card_path = folder / _CARD
        if not card_path.is_file():
            raise IntegrityError(f"{path} has no {_CARD}", hint="it is no bundle of this program, or a layer of one")
        data = read_plain(card_path, limit_bytes=LIMIT_BYTES)
        card = read_bundle_card(data, what=f"{path}: {_CARD}")
        card_path.unlink()
        comparison.compare_trees([ListedTree(folder, card.files, "")])
        comparison.add_verified(_CARD, len(data))
