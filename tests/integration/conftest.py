"""Users of the tiny engine, and who makes, publishes and installs environments: everything is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulators import tiny_engine
from tests.simulators.command_line import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulators.environment_users import EnvironmentWorld


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


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvironmentWorld]:
    """Return what an environment is built from: the module's ``make_world`` makes it."""
    with request.module.make_world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(scope="module")
def publisher(world: EnvironmentWorld) -> CommandLine:
    """Return who has built every version of the world's engine, run it, and published it."""
    user = world.builder()
    world.publish(user, prove="run")
    return user


@pytest.fixture(scope="module")
def repository(publisher: CommandLine) -> Path:
    return publisher.home / "repository"


@pytest.fixture
def customer(tmp_path: Path, world: EnvironmentWorld, publisher: CommandLine) -> CommandLine:
    """Return who trusts the publisher, and has nothing installed."""
    return world.customer(tmp_path / "customer", publisher)
