"""Pinned upstream releases, read from ``recipes/upstream/<engine>/<tag>.json``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.catalog.recipes import RecipeError, complaints_of, read_recipe
from pipeline.errors import IntegrityError
from pipeline.model.release_preferences import ReleasePreferences
from pipeline.model.strict_json import parse_json
from pipeline.model.upstream import PinnedRelease
from pipeline.names import UnknownNameError, parse_target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PREFERENCES = "preferences.toml"
_HINT = "ci/update_pins writes these files; CONTRIBUTING.md says how"


def read_pinned_releases(folder: Path) -> dict[str, dict[str, PinnedRelease]]:
    """Return every pinned release: engine to tag to release.

    Args:
        folder: ``recipes/upstream``; one that is not there holds no pins.

    Raises:
        RecipeError: a file is wrong; the complaints about all of them are listed, each with file and key.
    """
    complaints: list[str] = []
    found: dict[str, dict[str, PinnedRelease]] = {}
    for path in sorted(folder.glob("*/*.json")):
        try:
            release = read_pinned_release(path)
        except RecipeError as error:
            complaints.append(error.message)
            continue
        found.setdefault(release.engine, {})[release.tag] = release
    for path in sorted(folder.glob(f"*/{PREFERENCES}")):
        try:
            read_preferences(folder, path.parent.name)
        except RecipeError as error:
            complaints.append(error.message)
    if complaints:
        raise RecipeError("\n".join(complaints), hint=_HINT)
    return found


def read_pinned_release(path: Path) -> PinnedRelease:
    """Return the release that one file pins.

    Raises:
        RecipeError: the file cannot be read, is no strict JSON, breaks the model, or says something else than its
            place does.
    """
    try:
        data = path.read_bytes()
        parse_json(data, what=str(path))
        release = PinnedRelease.model_validate_json(data)
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except IntegrityError as error:
        raise RecipeError(error.message, hint=_HINT) from error
    except ValidationError as error:
        raise RecipeError("\n".join(complaints_of(path, error, PinnedRelease)), hint=_HINT) from error
    if complaints := [f"{path}: {complaint}" for complaint in _complaints(path, release)]:
        raise RecipeError("\n".join(complaints), hint=_HINT)
    return release


def read_preferences(folder: Path, engine: str) -> ReleasePreferences:
    """Return the preferences of an engine that has a folder below ``folder``, ``recipes/upstream``.

    Raises:
        UnknownNameError: the engine has none: nothing is known of its upstream archives.
        RecipeError: the file is wrong.
    """
    path = folder / engine / PREFERENCES
    if not path.is_file():
        known = sorted(found.parent.name for found in folder.glob(f"*/{PREFERENCES}"))
        raise UnknownNameError(
            f"nothing is known of upstream archives of {engine!r}", hint=f"known: {', '.join(known) or 'none'}"
        )
    preferences = read_recipe(path, ReleasePreferences)
    complaints = [f"{path}: {complaint}" for complaint in _unknown_targets("prefer", engine, preferences.prefer)]
    if preferences.engine != engine:
        complaints.append(f"{path}: engine: is {preferences.engine!r}, but the folder is called {engine!r}")
    if complaints:
        raise RecipeError("\n".join(complaints), hint=_HINT)
    return preferences


def _complaints(path: Path, release: PinnedRelease) -> list[str]:
    found = _unknown_targets("targets", release.engine, release.targets)
    if release.engine != path.parent.name:
        found.append(f"engine: is {release.engine!r}, but the folder is called {path.parent.name!r}")
    if release.tag != path.stem:
        found.append(f"tag: is {release.tag!r}, but the file is called {path.name!r}")
    number = re.fullmatch(r"b(\d+)", release.tag)
    if number and int(number[1]) != release.build_number:
        found.append(f"build_number: is {release.build_number}, but the tag is {release.tag!r}")
    return found


def _unknown_targets(key: str, engine: str, targets: Iterable[str]) -> list[str]:
    found = []
    for target in targets:
        try:
            parse_target(f"{engine}/{target}")
        except UnknownNameError as error:
            found.append(f"{key}.{target}: {error.message}")
    return found
