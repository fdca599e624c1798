"""Where ``recipes/ci`` is read from: the folder of recipes that is used, else the project's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.project import shipped_recipes_dir
from pipeline.catalog import has_workflows, load_workflows

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.catalog import Catalog
    from pipeline.model.workflows import WorkflowRecipes


def workflow_recipes(recipes_dir: Path, catalog: Catalog) -> WorkflowRecipes:
    """Return what is known of runners, and that each target of the catalog has one.

    Raises:
        RecipeError: a file is missing or wrong, or a target has no runner, or no packages there.
    """
    return load_workflows(recipes_dir if has_workflows(recipes_dir) else shipped_recipes_dir(), catalog)
