"""Makes what mirrors need beyond the services of every command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pipeline.app.project import checkout_dir, installer_lock, version
from pipeline.app.services import open_services
from pipeline.deploy.mirror.installer import InstallerSource
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.request import ModelSource
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.app.settings import Settings
    from pipeline.model.mirror import InstallerSelection
    from pipeline.model.model_recipe import ModelRecipe
    from pipeline.model.result import BlobRef
    from pipeline.ports import DrillGround, FolderServer, Services


def drill_ground() -> DrillGround:
    """Return where a drill takes place."""
    from pipeline.system.drill_ground import IsolatedGround

    return IsolatedGround()


def folder_server() -> FolderServer:
    """Return what serves mirrors over http and https."""
    from pipeline.system.mirror_server import MirrorServer

    return MirrorServer()


def open_mirror(settings: Settings, folder: Path, *, location: str, dry_run: bool) -> AbstractContextManager[Services]:
    """Return the services of a command that changes a mirror, whose downloads stay in its private folder.

    Args:
        settings: of this run.
        folder: of the mirror; checked before anything is written there.
        location: of the repository; a host that it names without TLS may be asked so.
        dry_run: whether nothing may be written there; downloads are the user's own then, and there are none.

    Raises:
        UsageError: the folder holds something else than a mirror.
        HostError, NoSpaceError: it cannot be written.
    """
    layout = MirrorLayout(folder)
    layout.check(may_be_new=True)
    return open_services(settings, store_dir=settings.cache_dir if dry_run else layout.downloads_dir, location=location)


def model_source(settings: Settings, services: Services) -> ModelSource:
    """Return where models for mirrors come from: the recipes, and the pieces that they name."""
    from pipeline.catalog import load
    from pipeline.make.fetch import fetch_model
    from pipeline.model.actions import FetchModel

    def fetch(recipe: ModelRecipe) -> BlobRef:
        with services.store.work_dir(f"model-{recipe.name}") as work:
            return fetch_model(FetchModel(model=recipe), f"model {recipe.name}", services, work).blobs["model"]

    return ModelSource(recipes=load(settings.recipes_dir).models, fetch=fetch)


def installer_source(settings: Settings, selection: InstallerSelection, *, wheel: Path | None) -> InstallerSource:
    """Return where the installer's own files for a mirror come from.

    Args:
        settings: of this run.
        selection: which machines they are for.
        wheel: of this project; None for one that is made of this checkout.

    Raises:
        UsageError: no wheel is given and this is no checkout.
    """
    project = wheel or checkout_dir()
    if project is None:
        raise UsageError("this is no checkout that a wheel can be made of", hint="give one with --installer-wheel FILE")
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return InstallerSource(
        selection=selection,
        requirements=installer_lock().read_bytes(),
        version=version(),
        project=project,
        python=sys.executable,
        env={**settings.child_env, **pip},
    )
