"""Everything this project can make, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import Field

from pipeline.catalog.cross_checks import check_own_options, check_toolchains, cross_check
from pipeline.catalog.engines import read_engines
from pipeline.catalog.pins import check_pins, find_attestations
from pipeline.catalog.recipes import RecipeError, read_recipe
from pipeline.catalog.upstream import read_pinned_releases
from pipeline.errors import NothingSelectedError
from pipeline.model.archives import ArchiveParts
from pipeline.model.environment_recipe import EnvironmentEngine, UnsupportedEngine
from pipeline.model.frozen import Frozen
from pipeline.model.model_recipe import ModelRecipe
from pipeline.model.recipe import AcceleratorRecipe, EngineRecipe, Pin
from pipeline.model.source import LocalTree
from pipeline.model.toolchain import Toolchain
from pipeline.model.upstream import PinnedRelease
from pipeline.model.wheel_recipe import WheelEngine
from pipeline.names import PLATFORMS, Target, UnknownNameError, family_of, parse_target, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

Recipe = TypeVar("Recipe", AcceleratorRecipe, ModelRecipe, Toolchain)


class Catalog(Frozen):
    """All recipes.

    Attributes:
        engines: that are compiled, or fetched as upstream compiled them, by name.
        environments: engines that are Python environments, by name.
        unsupported: engines that cannot be made, by name, with the reason.
        wheels: engines that are built as wheels, by name.
        envs_dir: folder of the environments' files, which are read when such an engine is planned.
        accelerators: by name.
        models: by name.
        toolchains: that build for other platforms than their own, by name.
        upstream: engine to tag to the pinned list of that release's files.
        attestations: sha256 of a file to the path of upstream's signed statement about it.
        has_workflows: whether the recipes say what CI has.
    """

    engines: dict[str, EngineRecipe]
    environments: dict[str, EnvironmentEngine] = Field(default_factory=dict)
    unsupported: dict[str, UnsupportedEngine] = Field(default_factory=dict)
    wheels: dict[str, WheelEngine] = Field(default_factory=dict)
    envs_dir: str = ""
    accelerators: dict[str, AcceleratorRecipe]
    models: dict[str, ModelRecipe]
    toolchains: dict[str, Toolchain] = Field(default_factory=dict)
    upstream: dict[str, dict[str, PinnedRelease]]
    attestations: dict[str, str]
    has_workflows: bool = False

    def targets(self) -> tuple[Target, ...]:
        """Return every target that can be made, sorted: built, fetched from a pinned archive, or assembled."""
        built = {
            Target(engine.name, platform, accel)
            for engine in self.engines.values()
            for accelerator in self.accelerators.values()
            for accel in accelerator.accels
            for platform in PLATFORMS
        }
        fetched = {
            parse_target(f"{engine}/{short}")
            for engine, releases in self.upstream.items()
            for release in releases.values()
            for short in release.targets
        }
        assembled = _targets_of(self.environments.values())
        return tuple(sorted({target for target in built if self.can_build(target)} | fetched | assembled))

    def unsupported_targets(self) -> tuple[Target, ...]:
        """Return every target that people ask for and that cannot be made, sorted."""
        return tuple(sorted(_targets_of(self.unsupported.values())))

    def refuse_unsupported(self, patterns: Sequence[str]) -> None:
        """Refuse to make what cannot be made, wherever a pattern names it and nothing else.

        Raises:
            NothingSelectedError: a pattern of ``names.select_targets`` does; the reason is in the message.
        """
        known = self.targets()
        for pattern in (part.strip() for text in patterns for part in text.split(",")):
            meant = [target for target in self.unsupported_targets() if target.is_named(pattern)]
            if meant and not any(target.is_named(pattern) for target in known):
                raise self.unsupported_error(meant[0])

    def unsupported_error(self, target: Target) -> NothingSelectedError:
        """Return what says why one of ``unsupported_targets`` cannot be made, and what to take instead."""
        recipe = self.unsupported[target.engine]
        instead = f"take {recipe.instead} instead" if recipe.instead else "`targets` lists what can be made"
        return NothingSelectedError(f"{target} cannot be made: {recipe.reason}", hint=instead)

    def accelerator(self, accel: str) -> AcceleratorRecipe:
        """Return the recipe of an accelerator, which may be a version of its family.

        Raises:
            UnknownNameError: there is none; it is never taken for another one.
        """
        recipe = self.accelerators.get(accel) or self.accelerators.get(family_of(accel))
        if recipe is None:
            raise UnknownNameError(
                f"there is no recipe for the accelerator {accel!r}",
                hint=f"recipes/accelerators has {', '.join(sorted(self.accelerators))}",
            )
        return recipe

    def archive_parts(self, engine: str) -> dict[str, ArchiveParts]:
        """Return accelerator family to its part of an engine's archives, sorted by name."""
        return _archive_parts(self.accelerators, engine)

    def can_build(self, target: Target) -> bool:
        """Tell whether the recipes say how a target is compiled, on whatever machine."""
        crossed = (chain.builds(target.engine, target.platform, target.accel) for chain in self.toolchains.values())
        return self.builds_natively(target) or any(crossed)

    def builds_natively(self, target: Target) -> bool:
        """Tell whether the recipes say how a target is compiled on a machine of its own platform."""
        if target.engine in self.environments:
            return False
        engine, accelerator = self.engine(target.engine), self.accelerator(target.accel)
        return (
            target.accel in accelerator.accels
            and engine.name in accelerator.engines
            and target.platform in engine.platforms
            and target.platform in accelerator.platforms
        )

    def machine_of(self, target: Target) -> str:
        """Return the platform of a machine that makes a target: its own, or one from which a toolchain builds it."""
        if not self.can_build(target) or self.builds_natively(target):
            return target.platform
        chains = self.toolchains.values()
        hosts = [h for c in chains if c.builds(target.engine, target.platform, target.accel) for h in c.hosts]
        return target.platform if target.platform in hosts else hosts[0]

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
        raise self._unpinned(engine, wanted)

    def require_pinned(self, engine: str, release: str) -> None:
        """Refuse a release of which neither source nor archives are pinned.

        Raises:
            UnknownNameError: it is not.
        """
        sources = {pin.version for pin in self.engine(engine).releases}
        if release not in sources | self.upstream.get(engine, {}).keys():
            raise self._unpinned(engine, release)

    def _unpinned(self, engine: str, release: str) -> UnknownNameError:
        sources = sorted((pin.version for pin in self.engines[engine].releases), key=version_key)
        archives = sorted(self.upstream.get(engine, {}), key=version_key)
        return UnknownNameError(
            f"{engine} has no pinned release {release!r}",
            hint=f"source: {', '.join(sources)}; archives: {', '.join(archives) or 'none'}; add a source to "
            f"recipes/engines/{engine}.toml, or the archives of a release with ci/update_pins",
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
    engines, environments, unsupported, wheels = read_engines(folder / "engines", complaints)
    accelerators = _read_all(folder / "accelerators", AcceleratorRecipe, complaints)
    models = _read_all(folder / "models", ModelRecipe, complaints)
    toolchains = _read_all(folder / "toolchains", Toolchain, complaints)
    complaints += cross_check(folder, engines.values(), accelerators.values(), models)
    if not complaints:
        complaints += check_own_options(folder, engines, accelerators.values(), toolchains.values())
        complaints += check_toolchains(folder, toolchains.values(), engines, accelerators)
    upstream: dict[str, dict[str, PinnedRelease]] = {}
    try:
        upstream = read_pinned_releases(folder / "upstream")
    except RecipeError as error:
        complaints.append(error.message)
    if not complaints:
        complaints += check_pins(folder / "upstream", upstream, engines, accelerators)
    if complaints:
        raise RecipeError("\n".join(complaints), hint="CONTRIBUTING.md describes the keys of a recipe")
    engines = {name: _with_absolute_sources(engine, folder / "engines") for name, engine in engines.items()}
    return Catalog(
        engines=engines,
        environments=environments,
        unsupported=unsupported,
        wheels=wheels,
        envs_dir=str(envs_dir_of(folder)),
        accelerators=accelerators,
        models=models,
        toolchains=toolchains,
        upstream=upstream,
        attestations=find_attestations(folder / "upstream"),
        has_workflows=(folder / "ci").is_dir(),
    )


def envs_dir_of(folder: Path) -> Path:
    """Return the folder of the environments' files, which lies beside that of the recipes."""
    return folder.absolute().parent / "envs"


def read_archive_parts(folder: Path, engine: str) -> dict[str, ArchiveParts]:
    """Return what ``Catalog.archive_parts`` does, from ``recipes/accelerators`` alone: pins may be wrong meanwhile.

    Raises:
        RecipeError: a recipe of an accelerator is wrong.
    """
    complaints: list[str] = []
    accelerators = _read_all(folder / "accelerators", AcceleratorRecipe, complaints)
    if complaints:
        raise RecipeError("\n".join(complaints), hint="CONTRIBUTING.md describes the keys of a recipe")
    return _archive_parts(accelerators, engine)


def _targets_of(engines: Iterable[EnvironmentEngine | UnsupportedEngine]) -> set[Target]:
    return {Target(engine.name, platform, engine.accel) for engine in engines for platform in engine.platforms}


def _archive_parts(accelerators: Mapping[str, AcceleratorRecipe], engine: str) -> dict[str, ArchiveParts]:
    found = {recipe.name: recipe.archives[engine] for recipe in accelerators.values() if engine in recipe.archives}
    return dict(sorted(found.items()))


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
