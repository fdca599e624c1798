"""Tells where options ask for debug information that no layer will have, by what compiles and links. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.builders.separating import SEPARATIONS
from pipeline.model.actions import Compile, MakeLayer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pipeline.model.plan import Plan

_BUILD_TYPES = frozenset({"DEBUG", "RELWITHDEBINFO"})  # of CMake's own, those with -g in their flags
_LANGUAGES = ("C", "CXX", "OBJC", "OBJCXX")
_ALWAYS_COMPILED = _LANGUAGES[:2]  # what a build type alone asks for is theirs: who takes it from them means all
# clang's manual, "Controlling Debug Information"; other words that begin like these only say how.
_DEBUG_FLAG = re.compile(
    r"-g(?:[0-3]|full|mlt|line-tables-only|line-directives-only|(?:gdb|lldb)[0-3]?|dwarf(?:-[2-5])?)?"
)
_LAYERS = "{layers}"
_NO_DEBUG_FLAG = re.compile(r"-g(?:gdb|lldb)?0")


def debug_asked_for(options: Mapping[str, str]) -> str:
    """Return the option that asks for debug information, as typed; empty where none does.

    A compiler heeds the last such flag, and CMake puts those of the build type after those of the language.
    """
    return next(filter(None, (_asked_of(language, options) for language in _LANGUAGES)), "")


def debug_left_behind(plan: Plan, wanted: Collection[str]) -> str:
    """Return what to say of debug information that was asked for and that no layer will have; empty for nothing.

    Args:
        plan: complete.
        wanted: names of the steps that must run; what is there already was spoken of when it was made.
    """
    asked: dict[tuple[str, str], list[str]] = {}
    for layer, option, why in _left_behind(plan, wanted):
        asked.setdefault((option, why), []).append(layer)
    return "; ".join(
        f"{option} asks for debug information, and {why.replace(_LAYERS, ' and '.join(layers))}"
        for (option, why), layers in asked.items()
    )


def _asked_of(language: str, options: Mapping[str, str]) -> str:
    """Return the option whose flag is the last one about debug information, where that asks a compiler for some."""
    build_type = options.get("CMAKE_BUILD_TYPE", "").upper()  # CMake takes it in any case
    of_type, of_language = f"CMAKE_{language}_FLAGS_{build_type}", f"CMAKE_{language}_FLAGS"
    if of_type not in options and build_type in _BUILD_TYPES and language in _ALWAYS_COMPILED:
        return f"CMAKE_BUILD_TYPE={options['CMAKE_BUILD_TYPE']}"
    for name in (of_type, of_language):
        if words := [word for word in options.get(name, "").split() if _DEBUG_FLAG.fullmatch(word)]:
            return "" if _NO_DEBUG_FLAG.fullmatch(words[-1]) else f"{name}={options[name]}"
    return ""


def _left_behind(plan: Plan, wanted: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield the layers without it, each with the option that asks for it and why it has none."""
    compiled = {step.name: step.action for step in plan.steps if isinstance(step.action, Compile)}
    for step in plan.steps:
        if not isinstance(step.action, MakeLayer) or step.name not in wanted:
            continue
        compile_step = compiled[step.action.compiled]
        option = debug_asked_for(compile_step.component.options)
        if option and (why := _why_left(step.action, compile_step)):
            yield step.action.layer_name, option, why


def _why_left(layer: MakeLayer, compiled: Compile) -> str:
    """Return why a layer will have no debug information, with a place for it; empty where its debug files have it."""
    if compiled.cross is not None:
        return f"{_LAYERS} will have no debug files: what {compiled.cross.title} builds comes without them"
    if not SEPARATIONS[layer.separation or "gnu"].keeps_debug:
        return (
            f"the debug files of {_LAYERS} will have names of functions alone: Apple's linker leaves the rest in"
            " object files, which no layer has"
        )
    return ""
