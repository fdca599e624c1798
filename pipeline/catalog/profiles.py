"""Reads ``recipes/profiles.toml``: links, and the rules of deployment profiles."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pipeline.catalog.recipes import read_recipe
from pipeline.errors import UsageError
from pipeline.model.profiles import Profiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "profiles.toml"


def has_profiles(folder: Path) -> bool:
    """Tell whether a folder of recipes has profiles of its own: one for a single engine need not."""
    return (folder / FILE).is_file()


def load_profiles(folder: Path) -> Profiles:
    """Read ``profiles.toml`` in a folder of recipes.

    Raises:
        RecipeError: it is missing or wrong; all complaints are listed.
    """
    return read_recipe(folder / FILE, Profiles)


def select_named(what: str, wanted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return the names that were asked for, in the order of those that there are; all of them for none.

    Args:
        what: ``profile`` or ``link``, for messages.
        wanted: names, which may hold several separated by commas.
        known: those that there are.

    Raises:
        UsageError: there is no such name, or nothing but commas; near ones are named.
    """
    names = [part.strip() for text in wanted for part in text.split(",")]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"there is no {what} {name!r} in recipes/{FILE}", hint=meant)
    return tuple(name for name in known if name in names) if names else tuple(known)
