"""Scripts that stand before a toolchain's compiler: what it compiles for, and other compilers' flags in its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.filling import fill

if TYPE_CHECKING:
    from pipeline.model.toolchain import CrossTarget, Toolchain

PROGRAM_VARIABLE = "ENGINE_PIPELINE_COMPILER"
"""Variable with the program's path, which is not in a wrapper: compiler caches take its text for the compiler."""

_REWRITING = """\
for argument do
    shift
    case $argument in
        {starts}) argument=$(printf '%s\\n' "$argument" | sed -E {expressions}) ;;
    esac
    set -- "$@" "$argument"
done
"""


def wrapper_texts(toolchain: Toolchain, target: CrossTarget, *, identity: str) -> dict[str, str]:
    """Return file name to text of each script.

    Args:
        toolchain: with its commands.
        target: what is compiled for.
        identity: of the program, with its version; a compiler cache that takes the wrapper for the compiler tells two
            versions apart by it.
    """
    rewriting = _rewriting(target)
    texts = {}
    for name, arguments in toolchain.commands.items():
        compiles = name in {"cc", "c++"}
        flags = target.flags if compiles else ()
        words = " ".join([*(fill(argument, triple=target.triple) for argument in arguments), *flags])
        texts[name] = (
            f'#!/bin/sh\n# {identity}\n{rewriting if compiles else ""}exec "${PROGRAM_VARIABLE}" {words} "$@"\n'
        )
    return texts


def _rewriting(target: CrossTarget) -> str:
    if not target.rewritten or not target.rewrites:
        return ""
    expressions = " ".join(f"-e 's|{rule.pattern}|{rule.by}|g'" for rule in target.rewrites)
    return _REWRITING.format(starts="|".join(f"{start}*" for start in target.rewritten), expressions=expressions)
