"""One self-contained bundle file, against the card that it carries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import read_bundle_card

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
        card = read_bundle_card(card_path.read_bytes(), what=f"{path}: {_CARD}")
        card_path.unlink()
        comparison.compare_tree(folder, card.files, name="")
        comparison.verified += 1  # the card itself
