"""``check``: whether recipes and project file are what they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.catalog import load
from pipeline.cli.options import FOLDER, Command, common_options

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("check", cls=Command)
@click.option("--recipes", type=FOLDER, metavar="DIR", help="Folder of recipes.  [default: the project's]")
@common_options
def command(session: Session, recipes: Path | None) -> None:
    """Read every recipe and the project file; every mistake is named with its file and dotted key (exit code 2)."""
    folder = recipes or session.settings.recipes_dir
    catalog = load(folder)
    pins = sum(len(engine.releases) for engine in catalog.engines.values())
    document = {
        "recipes": str(folder),
        "engines": sorted(catalog.engines),
        "accelerators": sorted(catalog.accelerators),
        "models": sorted(catalog.models),
        "pins": pins,
        "targets": [str(target) for target in catalog.targets()],
    }
    session.show(
        document,
        lambda: (
            f"{folder} is right: {len(catalog.engines)} engines with {pins} pinned releases, "
            f"{len(catalog.accelerators)} accelerators, {len(catalog.models)} models, {len(catalog.targets())} targets"
        ),
    )
