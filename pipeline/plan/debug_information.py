"""Tells where options ask for debug information that the files of a platform's own compiler do not keep. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.builders.separating import SEPARATIONS
from pipeline.model.actions import Compile, MakeLayer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.model.plan import Plan

_BUILD_TYPES = frozenset({"DEBUG", "RELWITHDEBINFO"})  # of CMake's own, those with -g in their flags
_LANGUAGES = ("C", "CXX", "OBJC", "OBJCXX")
# clang's manual, "Controlling Debug Information"; -g0 is none, and other words that begin like it only say how.
_DEBUG_FLAG = re.compile(r"-g(?:[1-3]|full|line-tables-only|line-directives-only|(?:gdb|lldb)[1-3]?|dwarf(?:-[2-5])?)?")


def debug_asked_for(options: Mapping[str, str]) -> str:
    """Return the option that asks for debug information, as typed; empty where none does."""
    build_type = options.get("CMAKE_BUILD_TYPE", "").upper()  # CMake takes it in any case
    names = [f"CMAKE_{language}_FLAGS" for language in _LANGUAGES]
    for name in (*names, *(f"{name}_{build_type}" for name in names if build_type)):
        if any(_DEBUG_FLAG.fullmatch(word) for word in options.get(name, "").split()):
            return f"{name}={options[name]}"
    return f"CMAKE_BUILD_TYPE={options['CMAKE_BUILD_TYPE']}" if build_type in _BUILD_TYPES else ""


def debug_left_behind(plan: Plan) -> str:
    """Return what to say of debug information that was asked for and that no layer will have; empty for nothing."""
    asked: dict[str, list[str]] = {}
    for layer, option in _left_behind(plan):
        asked.setdefault(option, []).append(layer)
    return "; ".join(
        f"{option} asks for debug information, and the debug files of {' and '.join(layers)} will have names of "
        "functions alone: Apple's linker leaves the rest in object files, which no layer has"
        for option, layers in asked.items()
    )


def _left_behind(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the layers without it, each with the option that asks for it."""
    compiled = {step.name: step.action for step in plan.steps if isinstance(step.action, Compile)}
    for step in plan.steps:
        if isinstance(step.action, MakeLayer) and not SEPARATIONS[step.action.separation or "gnu"].keeps_debug:
            option = debug_asked_for(compiled[step.action.compiled].component.options)
            if option:
                yield step.action.layer_name, option
