"""Models in a mirror: ``models/<filename>``, whole, known by the digest of their recipe."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pipeline.deploy.hashing import hash_file
from pipeline.deploy.mirror.bringing import take_away
from pipeline.deploy.steps import step
from pipeline.errors import NothingSelectedError
from pipeline.model.mirror import HeldModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.deploy.mirror.request import MirrorRequest
    from pipeline.model.model_recipe import ModelRecipe
    from pipeline.ports import Disk, Services


def wanted_models(request: MirrorRequest) -> tuple[ModelRecipe, ...]:
    """Return the recipes of the models that are wanted, sorted by name.

    Raises:
        NothingSelectedError: there is no such recipe.
    """
    known = {} if request.models is None else request.models.recipes
    for name in request.selection.models:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=4) or sorted(known)
            raise NothingSelectedError(
                f"there is no recipe of a model {name!r}", hint=f"recipes/models has {', '.join(near) or 'none'}"
            )
    return tuple(known[name] for name in sorted(set(request.selection.models)))


def held_models(request: MirrorRequest) -> tuple[HeldModel, ...]:
    """Return what ``mirror.json`` says of the wanted models.

    Raises:
        NothingSelectedError: as ``wanted_models``.
    """
    return tuple(
        HeldModel(
            name=recipe.name,
            filename=recipe.filename,
            sha256=recipe.sha256,
            size=recipe.size_bytes,
            license=recipe.license,
        )
        for recipe in wanted_models(request)
    )


def missing_models(layout: MirrorLayout, models: Iterable[ModelRecipe], *, repair: bool) -> tuple[ModelRecipe, ...]:
    """Return those that are not there with their size; with ``repair`` every byte is read as well."""
    return tuple(model for model in models if not _is_there(layout.models_dir / model.filename, model, repair=repair))


def unwanted_models(layout: MirrorLayout, models: Iterable[HeldModel]) -> list[Path]:
    """Return the files of ``models/`` that nobody wants."""
    kept = {model.filename for model in models}
    there = layout.models_dir.iterdir() if layout.models_dir.is_dir() else ()
    return sorted(path for path in there if path.name not in kept)


def bring_models(models: Sequence[ModelRecipe], request: MirrorRequest, services: Services) -> dict[str, str]:
    """Bring models into the store; return file name to digest.

    Raises:
        IntegrityError: a part or the whole is not what was pinned.
        NetworkError, OfflineError, NoSpaceError: as their names say.
    """
    brought: dict[str, str] = {}
    source = request.models
    if source is None:
        return brought
    for model in models:
        with step(services, f"model {model.name}"):
            brought[model.filename] = source.fetch(model).sha256
    return brought


def put_models(brought: Mapping[str, str], layout: MirrorLayout, services: Services, disk: Disk) -> None:
    """Move each model that was brought to its place."""
    if brought:
        disk.make_dirs(layout.models_dir)
    for filename, sha256 in brought.items():
        path = layout.models_dir / filename
        take_away([path], layout, disk)
        disk.move(services.store.blob_path(sha256), path)


def _is_there(path: Path, model: ModelRecipe, *, repair: bool) -> bool:
    if not path.is_file() or path.is_symlink() or path.stat().st_size != model.size_bytes:
        return False
    return not repair or hash_file(str(path)) == model.sha256
