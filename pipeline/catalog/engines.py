"""Reads ``recipes/engines/*.toml`` by kind: compiled or fetched, a Python environment, a wheel, or not to be made."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, NamedTuple

from pipeline.accelerators.registry import kind_of
from pipeline.catalog.recipes import RecipeError, read_recipe
from pipeline.model.environment_recipe import EnvironmentEngine, UnsupportedEngine
from pipeline.model.recipe import EngineRecipe
from pipeline.model.wheel_recipe import WheelEngine
from pipeline.names import PLATFORMS, UnknownNameError, parse_accel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_Recipe = EngineRecipe | EnvironmentEngine | WheelEngine | UnsupportedEngine
_KINDS: dict[object, type[_Recipe]] = {
    "environment": EnvironmentEngine,
    "wheel": WheelEngine,
    "unsupported": UnsupportedEngine,
}


class Engines(NamedTuple):
    """Recipes of engines, by name.

    Attributes:
        compiled: what is compiled, or fetched as upstream compiled it: recipes without a ``kind``.
        environments: ``kind = "environment"``.
        unsupported: ``kind = "unsupported"``.
        wheels: ``kind = "wheel"``.
    """

    compiled: dict[str, EngineRecipe]
    environments: dict[str, EnvironmentEngine]
    unsupported: dict[str, UnsupportedEngine]
    wheels: dict[str, WheelEngine]


def read_engines(folder: Path, complaints: list[str]) -> Engines:
    """Return the recipes of engines; complaints about those that are wrong are added to ``complaints``.

    Args:
        folder: ``recipes/engines``.
        complaints: each with file and dotted key.
    """
    found = Engines({}, {}, {}, {})
    for path in sorted(folder.glob("*.toml")):
        try:
            recipe = _read_engine(path)
        except RecipeError as error:
            complaints.append(error.message)
            continue
        if recipe.name != path.stem:
            complaints.append(f"{path}: name: is {recipe.name!r}, but the file is called {path.name!r}")
        match recipe:
            case EnvironmentEngine():
                found.environments[recipe.name] = recipe
                complaints += _faults_of_environment(path, recipe)
            case UnsupportedEngine():
                found.unsupported[recipe.name] = recipe
                complaints += _faults_of_names(path, recipe)
            case WheelEngine():
                found.wheels[recipe.name] = recipe
            case EngineRecipe():
                found.compiled[recipe.name] = recipe
    complaints += [
        f"{folder / name}.toml: instead: there is no engine {recipe.instead!r}"
        for name, recipe in found.unsupported.items()
        if recipe.instead and not (folder / f"{recipe.instead}.toml").is_file()
    ]
    for name, wheel in found.wheels.items():
        complaints += _faults_of_wheel(folder / f"{name}.toml", wheel, found)
    return found


def _faults_of_wheel(path: Path, recipe: WheelEngine, found: Engines) -> Iterator[str]:
    for platform in recipe.platforms:
        if platform not in PLATFORMS:
            yield f"{path}: platforms: {platform!r} is none of {', '.join(PLATFORMS)}"
    if recipe.options_of not in found.compiled:
        yield f"{path}: options_of: there is no engine {recipe.options_of!r} that is compiled"


def _read_engine(path: Path) -> _Recipe:
    try:
        kind = tomllib.loads(path.read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError):
        kind = None  # read_recipe says what is wrong
    if kind is not None and kind not in _KINDS:
        raise RecipeError(f"{path}: kind: {kind!r} is none of {', '.join(map(str, _KINDS))}; leave it out otherwise")
    return read_recipe(path, _KINDS.get(kind, EngineRecipe))


def _faults_of_environment(path: Path, recipe: EnvironmentEngine) -> Iterator[str]:
    yield from _faults_of_names(path, recipe)
    yield from (
        f"{path}: proof.expect_devices.{platform}: is none of platforms"
        for platform in recipe.proof.expect_devices
        if platform not in recipe.platforms
    )
    yield from (
        f"{path}: proof.expect_devices.{platform}: is missing; without it a fall-back to the processor would pass"
        for platform in recipe.platforms
        if not recipe.proof.expect_devices.get(platform)
    )
    if not recipe.proof.model_args:
        yield f"{path}: proof.model_args: is missing; without it nothing can be asked of a server"


def _faults_of_names(path: Path, recipe: EnvironmentEngine | UnsupportedEngine) -> Iterator[str]:
    for platform in recipe.platforms:
        if platform not in PLATFORMS:
            yield f"{path}: platforms: {platform!r} is none of {', '.join(PLATFORMS)}"
    try:
        parse_accel(recipe.accel)
    except UnknownNameError:
        yield f"{path}: accel: {recipe.accel!r} is no accelerator of docs/contract.md"
        return
    if isinstance(recipe, EnvironmentEngine) and kind_of(recipe.accel) is None:
        yield f"{path}: accel: no kind of pipeline/accelerators knows {recipe.accel!r}"
