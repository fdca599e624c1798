"""Budgets as recipes say them: of every target, of targets that there are, and in no key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalog import Catalog, RecipeError, budgets_of, check_budgets, load
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, make_plan
from tests.golden.test_keys import INPUTS, SOURCE
from tests.simulators import tiny_engine

TARGET = "tiny-engine/linux-x86_64-cpu"
BUDGETS = """
[budgets]
growth = {{ fraction = 0.1 }}

[[budgets.bundles]]
targets = ["{targets}"]
download_bytes = 1_000
"""


def with_budgets(folder: Path, targets: str | None, more: str = "") -> Catalog:
    """Return the tiny engine's recipes, with a budget for some targets."""
    recipes = tiny_engine.write_recipes(folder / "recipes", Path(SOURCE))
    if targets is not None:
        path = recipes / "engines" / "tiny-engine.toml"
        path.write_text(path.read_text() + BUDGETS.format(targets=targets) + more)
    return load(recipes)


def test_every_target_of_this_project_has_a_budget(catalog, recipes_dir):
    assert check_budgets(catalog, recipes_dir) == ()
    assert all(budgets.growth is not None for budgets in budgets_of(catalog).values())


def test_a_target_that_no_table_names_is_returned(tmp_path):
    assert check_budgets(with_budgets(tmp_path, None), tmp_path) == ((parse_target(TARGET), "built"),)


def test_a_target_that_is_built_has_no_budget_by_that_of_fetched_ones(tmp_path):
    catalog = with_budgets(tmp_path, "*", 'origin = "fetched"\n')
    assert check_budgets(catalog, tmp_path) == ((parse_target(TARGET), "built"),)


def test_a_table_of_targets_that_nobody_makes_is_a_mistake_with_file_and_key(tmp_path):
    catalog = with_budgets(tmp_path, "linux-x86_64-cqu")
    with pytest.raises(RecipeError) as caught:
        check_budgets(catalog, tmp_path)
    assert "tiny-engine.toml: budgets.bundles.0.targets: 'linux-x86_64-cqu'" in caught.value.message


def test_a_key_that_nobody_knows_is_refused_when_the_recipe_is_read(tmp_path):
    with pytest.raises(RecipeError) as caught:
        with_budgets(tmp_path, "*", "download_size = 1\n")
    assert "budgets.bundles.0.download_size: unknown key; did you mean 'download_bytes'?" in caught.value.message


def test_a_budget_changes_no_key(tmp_path):
    request = BuildRequest((parse_target(TARGET),))
    plans = [
        make_plan(request, with_budgets(tmp_path / name, targets), INPUTS)
        for name, targets in (("with", "*-cpu"), ("without", None))
    ]
    one, other = ([step.key for step in plan.steps] for plan in plans)
    assert one == other
