"""The budgets of all engines, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.catalog.recipes import RecipeError
from pipeline.model.budgets import is_named
from pipeline.names import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.catalog.catalog import Catalog
    from pipeline.model.budgets import Budgets
    from pipeline.model.manifest import Origin


def budgets_of(catalog: Catalog) -> dict[str, Budgets]:
    """Return engine to what its bundles may weigh."""
    return {
        **{name: recipe.budgets for name, recipe in catalog.engines.items()},
        **{name: recipe.budgets for name, recipe in catalog.environments.items()},
        **{name: recipe.budgets for name, recipe in catalog.wheels.items()},
    }


def check_budgets(catalog: Catalog, folder: Path) -> tuple[tuple[Target, Origin], ...]:
    """Return the targets of which no budget says anything, sorted, with the way of making them that has none.

    Args:
        catalog: all recipes.
        folder: that they were read from; for messages.

    Raises:
        RecipeError: a table is of targets that nobody makes: there is a typo in it, or they are gone.
    """
    wheels = {
        Target(wheel.name, platform, wheel.base) for wheel in catalog.wheels.values() for platform in wheel.platforms
    }
    targets = sorted({*catalog.targets(), *wheels})
    known = budgets_of(catalog)
    complaints = [
        f"{folder / 'engines' / engine}.toml: budgets.bundles.{number}.targets: {pattern!r} is no target of {engine}"
        for engine, budgets in known.items()
        for number, table in enumerate(budgets.bundles)
        for pattern in table.targets
        if not any(target.engine == engine and is_named(target.short, pattern) for target in targets)
    ]
    if complaints:
        hint = "`targets` lists them; docs/budgets.md says how a table is written"
        raise RecipeError("\n".join(complaints), hint=hint)
    return tuple(
        (target, origin)
        for target in targets
        for origin in _origins(target, catalog)
        if not any(
            table.origin in {None, origin} and table.names(target.short) for table in known[target.engine].bundles
        )
    )


def _origins(target: Target, catalog: Catalog) -> Iterator[Origin]:
    """Give the ways in which a target can come to be."""
    if target.engine not in catalog.engines:
        yield "assembled"
        return
    if catalog.can_build(target):
        yield "built"
    if any(target.short in release.targets for release in catalog.upstream.get(target.engine, {}).values()):
        yield "fetched"
