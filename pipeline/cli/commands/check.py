"""``check``: whether recipes, locks of environments and the project file are what they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.catalog import (
    check_budgets,
    check_locks,
    has_profiles,
    has_workflows,
    load,
    load_profiles,
    load_workflows,
)
from pipeline.cli.options import FOLDER, Command, common_options
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("check", cls=Command)
@click.option("--recipes", type=FOLDER, metavar="DIR", help="Folder of recipes.  [default: the project's]")
@common_options
def command(session: Session, recipes: Path | None) -> None:
    """Read every recipe, the locks of environments, CI's runners, deployment profiles, and the project file.

    Every mistake is named with its file and dotted key or entry (exit code 2).
    """
    folder = recipes or session.settings.recipes_dir
    catalog = load(folder)
    environments = check_locks(catalog)
    if has_workflows(folder):
        load_workflows(folder, catalog)
    without_budget = check_budgets(catalog, folder)
    profiles = load_profiles(folder).profiles if has_profiles(folder) else ()
    pins = sum(len(engine.releases) for engine in catalog.engines.values())
    engines = sorted({*catalog.engines, *catalog.environments})
    targets = [str(target) for target in catalog.targets()]
    document = {
        "recipes": str(folder),
        "engines": engines,
        "environments": list(environments),
        "unsupported": sorted(catalog.unsupported),
        "accelerators": sorted(catalog.accelerators),
        "models": sorted(catalog.models),
        "profiles": [profile.name for profile in profiles],
        "pins": pins,
        "targets": targets,
        "without_budget": [f"{target} ({origin})" for target, origin in without_budget],
    }
    counts = (
        f"{counted(len(engines), 'engine')} with {counted(pins, 'pinned release')}",
        counted(len(environments), "environment"),
        counted(len(catalog.accelerators), "accelerator"),
        counted(len(catalog.models), "model"),
        counted(len(targets), "target"),
        *([counted(len(profiles), "deployment profile")] if profiles else []),
    )
    session.show(document, lambda: f"{folder} is right: {', '.join(counts)}")
    for engine in dict.fromkeys(target.engine for target, _ in without_budget):
        mine = [f"{target.short} ({origin})" for target, origin in without_budget if target.engine == engine]
        session.warn(f"{folder / 'engines' / engine}.toml sets no budget for {', '.join(mine)}")
