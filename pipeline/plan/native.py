"""What a platform's own compiler is used with: options, flags and programs, as the recipe says of the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.builders.separating import SEPARATIONS
from pipeline.model.filling import fill

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.recipe import Component, EngineRecipe

_COMPILER = ("cc", "cxx")


def native_component(component: Component, engine: EngineRecipe, platform: str) -> Component:
    """Return a component as the platform's own compiler makes it, its options with the engine's for the platform."""
    native, own = engine.native.get(platform), component.native.get(platform)
    options = {**_filled(engine, platform), **component.options}
    if own is not None:
        options |= own.options
    changed = {"options": options} if native is not None or own is not None else {}
    outputs = {"outputs": own.outputs} if own is not None and own.outputs else {}
    return component.model_copy(update={"native": {}, **changed, **outputs})


def native_link_flags(engine: EngineRecipe, platform: str) -> tuple[str, ...]:
    """Return what the linker is given."""
    native = engine.native.get(platform)
    return engine.link_flags if native is None else native.link_flags


def compiling_tools(engine: EngineRecipe, platform: str) -> tuple[str, ...]:
    """Return the programs, beside CMake, that decide what is compiled: their versions are in its key."""
    native = engine.native.get(platform)
    return (*_COMPILER, *(native.tools if native else ()))


def separating_tools(engine: EngineRecipe, platform: str) -> tuple[str, ...]:
    """Return the programs that take symbols out of what was compiled."""
    native = engine.native.get(platform)
    return SEPARATIONS["gnu" if native is None else native.separation].tools


def tools_of_builds(engines: Iterable[EngineRecipe], platform: str) -> tuple[str, ...]:
    """Return every program that a build on a platform needs, whichever of the engines it is of."""
    names = ("cmake", "ninja", *(name for engine in engines for name in tools_of_build(engine, platform)))
    return tuple(dict.fromkeys(names))


def tools_of_build(engine: EngineRecipe, platform: str) -> tuple[str, ...]:
    """Return the programs of a platform's own that a build of an engine needs."""
    return (*compiling_tools(engine, platform), *separating_tools(engine, platform))


def _filled(engine: EngineRecipe, platform: str) -> dict[str, str]:
    native = engine.native.get(platform)
    if native is None:
        return {}
    assert engine.archives is not None  # noqa: S101 - the model refuses native builds without archives
    known = {"macos_floor": engine.archives.macos_floor, "sdk": "{sdk}"}  # the place is filled in where it is known
    return {name: fill(value, **known) for name, value in native.options.items()}
