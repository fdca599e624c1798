"""Users of the tiny engine: everything is real, compilers included, and takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulators import tiny_engine
from tests.simulators.command_line import CommandLine

if TYPE_CHECKING:
    from pathlib import Path


def make_user(folder: Path, **variables: str) -> CommandLine:
    """Return a user with a copy of the tiny engine's source and a recipe folder for it."""
    folder.mkdir(parents=True, exist_ok=True)
    source = tiny_engine.copy_source(folder / "source")
    recipes = tiny_engine.write_recipes(folder / "recipes", source)
    tiny_engine.write_model(folder / "model.gguf")
    return CommandLine(folder, recipes, variables)


@pytest.fixture
def user(tmp_path: Path) -> CommandLine:
    return make_user(tmp_path / "user")
