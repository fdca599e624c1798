"""What somebody asks of a mirror."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.deploy.mirror.installer import InstallerSource
    from pipeline.model.mirror import MirrorSelection
    from pipeline.model.model_recipe import ModelRecipe
    from pipeline.model.result import BlobRef


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where models come from.

    Attributes:
        recipes: name to recipe; what a selection names must be among them.
        fetch: brings a whole model into the mirror's store.
    """

    recipes: dict[str, ModelRecipe]
    fetch: Callable[[ModelRecipe], BlobRef]


@dataclass(frozen=True, slots=True)
class MirrorRequest:
    """What a mirror shall hold, and where from.

    Attributes:
        folder: of the mirror.
        source: folder or url of the repository.
        selection: what is wanted.
        trusted_root: root metadata to start trust from; the mirror keeps it.
        models: where models come from; None where nothing wants one.
        installer: where wheels and scripts come from; None where nothing wants them.
        repair: read every byte that is there, and bring anew what is damaged.
        dry_run: say what would change, and change nothing.
    """

    folder: Path
    source: str
    selection: MirrorSelection
    trusted_root: bytes
    models: ModelSource | None = None
    installer: InstallerSource | None = None
    repair: bool = False
    dry_run: bool = False
