"""Recipes and environments, read from files into frozen models; errors name the file and the dotted key."""

from pipeline.catalog.catalog import Catalog, envs_dir_of, load, read_archive_parts
from pipeline.catalog.recipes import RecipeError

__all__ = ["Catalog", "RecipeError", "envs_dir_of", "load", "read_archive_parts"]
