"""Everything this project can make, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pipeline.accelerators import registry as accelerator_kinds
from pipeline.catalog.recipes import RecipeError, read_recipe
from pipeline.model.frozen import Frozen
from pipeline.model.recipe import AcceleratorRecipe, EngineRecipe, ModelRecipe, Pin
from pipeline.model.source import LocalTree
from pipeline.names import PLATFORMS, Target, UnknownNameError, parse_accel, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Recipe = TypeVar("Recipe", EngineRecipe, AcceleratorRecipe, ModelRecipe)


class Catalog(Frozen):
    """All recipes.

    Attributes:
        engines: by name.
        accelerators: by name.
        models: by name.
    """

    engines: dict[str, EngineRecipe]
    accelerators: dict[str, AcceleratorRecipe]
    models: dict[str, ModelRecipe]

    def targets(self) -> tuple[Target, ...]:
        """Return every target, sorted."""
        return tuple(
            sorted(
                Target(engine.name, platform, accelerator.name)
                for engine in self.engines.values()
                for accelerator in self.accelerators.values()
                if engine.name in accelerator.engines
                for platform in engine.platforms
                if platform in accelerator.platforms
            )
        )

    def engine(self, name: str) -> EngineRecipe:
        """Return the recipe of an engine.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if name not in self.engines:
            raise UnknownNameError(f"unknown engine {name!r}", hint=f"known: {', '.join(sorted(self.engines))}")
        return self.engines[name]

    def pin(self, engine: str, release: str | None) -> Pin:
        """Return the pinned release of an engine, its default one for None.

        Raises:
            UnknownNameError: the release is not pinned.
        """
        recipe = self.engine(engine)
        wanted = release or recipe.default_release
        for pin in recipe.releases:
            if pin.version == wanted:
                return pin
        known = sorted((pin.version for pin in recipe.releases), key=version_key)
        raise UnknownNameError(
            f"{engine} has no pinned release {wanted!r}",
            hint=f"pinned: {', '.join(known)}; add another to recipes/engines/{engine}.toml",
        )


def load(folder: Path) -> Catalog:
    """Read ``recipes/``.

    Args:
        folder: with ``engines/``, ``accelerators/`` and ``models/``.

    Raises:
        RecipeError: any recipe is wrong; the complaints of all of them are listed.
    """
    complaints: list[str] = []
    if not (folder / "engines").is_dir():
        raise RecipeError(f"{folder} is no folder of recipes: it has no engines/", hint="set ENGINE_PIPELINE_RECIPES")
    engines = _read_all(folder / "engines", EngineRecipe, complaints)
    accelerators = _read_all(folder / "accelerators", AcceleratorRecipe, complaints)
    models = _read_all(folder / "models", ModelRecipe, complaints)
    complaints += _cross_check(folder, engines.values(), accelerators.values(), models)
    if complaints:
        raise RecipeError("\n".join(complaints), hint="CONTRIBUTING.md describes the keys of a recipe")
    engines = {name: _with_absolute_sources(engine, folder / "engines") for name, engine in engines.items()}
    return Catalog(engines=engines, accelerators=accelerators, models=models)


def _with_absolute_sources(engine: EngineRecipe, folder: Path) -> EngineRecipe:
    """Return a recipe whose local sources do not depend on where the command runs."""
    pins = []
    for pin in engine.releases:
        source = pin.source
        if isinstance(source, LocalTree):
            source = source.model_copy(update={"path": str((folder / source.path).resolve())})
        pins.append(pin.model_copy(update={"source": source}))
    return engine.model_copy(update={"releases": tuple(pins)})


def _read_all(folder: Path, model: type[Recipe], complaints: list[str]) -> dict[str, Recipe]:
    recipes: dict[str, Recipe] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            recipe = read_recipe(path, model)
        except RecipeError as error:
            complaints.append(error.message)
            continue
        if recipe.name != path.stem:
            complaints.append(f"{path}: name: is {recipe.name!r}, but the file is called {path.name!r}")
        recipes[recipe.name] = recipe
    return recipes


def _cross_check(
    folder: Path,
    engines: Iterable[EngineRecipe],
    accelerators: Iterable[AcceleratorRecipe],
    models: dict[str, ModelRecipe],
) -> list[str]:
    """Return what is wrong between recipes: names that lead nowhere."""
    complaints = []
    known_engines = {path.stem for path in (folder / "engines").glob("*.toml")}  # also those that are wrong
    for engine in engines:
        path = folder / "engines" / f"{engine.name}.toml"
        complaints += _unknown_platforms(path, engine.platforms)
        if engine.proof.model not in models:
            complaints.append(f"{path}: proof.model: there is no recipes/models/{engine.proof.model}.toml")
    for accelerator in accelerators:
        path = folder / "accelerators" / f"{accelerator.name}.toml"
        complaints += _unknown_platforms(path, accelerator.platforms)
        complaints += [
            f"{path}: engines.{name}: no such engine" for name in accelerator.engines if name not in known_engines
        ]
        if accelerator.kind not in accelerator_kinds.KINDS:
            complaints.append(f"{path}: kind: {accelerator.kind!r} is none of {', '.join(accelerator_kinds.KINDS)}")
        try:
            parse_accel(accelerator.name)
        except UnknownNameError as error:
            complaints.append(f"{path}: name: {error.message}")
    return complaints


def _unknown_platforms(path: Path, platforms: Iterable[str]) -> list[str]:
    return [
        f"{path}: platforms: {name!r} is none of {', '.join(PLATFORMS)}" for name in platforms if name not in PLATFORMS
    ]
