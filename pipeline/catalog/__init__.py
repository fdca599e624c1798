"""Recipes and environments, read from files into frozen models; errors name the file and the dotted key."""

from pipeline.catalog.budgets import budgets_of, check_budgets
from pipeline.catalog.catalog import Catalog, envs_dir_of, load, read_archive_parts
from pipeline.catalog.locked import check_locks, lock_conda, locked_environment, pinned_miniforge
from pipeline.catalog.profiles import has_profiles, load_profiles
from pipeline.catalog.recipes import RecipeError
from pipeline.catalog.workflows import has_workflows, job_name, load_workflows

__all__ = [
    "Catalog",
    "RecipeError",
    "budgets_of",
    "check_budgets",
    "check_locks",
    "envs_dir_of",
    "has_profiles",
    "has_workflows",
    "job_name",
    "load",
    "load_profiles",
    "load_workflows",
    "lock_conda",
    "locked_environment",
    "pinned_miniforge",
    "read_archive_parts",
]
