"""Names of what GPU code was compiled for, as ``gpu_architectures`` of a manifest has them, of every vendor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_CUDA = re.compile(r"(sm|compute)_(\d{1,3})(\d)([af]?)")
_GENERIC = re.compile(r"gfx(\d+)(?:-(\d+))?-generic")
_GFX = re.compile(r"gfx(\d+)([0-9a-f])([0-9a-f])((?::[a-z]+[+-])*)")


def architecture_key(name: str) -> tuple[int, int, int, str]:
    """Return what sorts names by number: ``sm_90``, ``compute_90``, ``sm_120``; ``gfx90a``, ``gfx1030``.

    LLVM, "User Guide for AMDGPU Backend", processors: the last two digits of a gfx are minor version and stepping,
    hexadecimal. A generic one comes before those that it stands for; a name of no known form comes last.
    """
    if match := _CUDA.fullmatch(name):
        return int(match[2]), int(match[3]), int(match[1] == "compute"), name
    if match := _GENERIC.fullmatch(name):
        return int(match[1]), int(match[2] or -1), -1, name
    if match := _GFX.fullmatch(name):
        return int(match[1]), int(match[2], 16), int(match[3], 16), name
    return 1 << 30, 0, 0, name


def sorted_architectures(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names sorted by number, each of them once."""
    return tuple(sorted(set(names), key=architecture_key))


def missing_architectures(asked: Iterable[str], found: Collection[str]) -> tuple[str, ...]:
    """Return what was asked for and was not found, in the order in which it was asked for.

    A name stands for itself alone: who asks for ``sm_90`` and gets ``sm_90a`` or ``compute_90`` has not got it, and
    ``gfx90a:xnack-`` is not ``gfx90a``, which runs with that feature switched on too.

    Args:
        asked: as a manifest has them: ``sm_90`` is machine code, ``compute_90`` intermediate code.
        found: what a library has code for.
    """
    return tuple(name for name in dict.fromkeys(asked) if name not in found)
