"""Reads recipe files into models; every complaint names the file and the dotted key."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from pipeline.errors import UsageError
from pipeline.model.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Model = TypeVar("Model", bound=Frozen)


class RecipeError(UsageError):
    """A recipe file is not what it should be."""

    page = "usage"


def read_recipe(path: Path, model: type[Model]) -> Model:
    """Read one TOML file into ``model``.

    Raises:
        RecipeError: the file cannot be read, is no TOML, or breaks the model; all complaints are listed.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: is no TOML: {error}") from error
    try:
        return model.model_validate(document, strict=False)
    except ValidationError as error:
        complaints = complaints_of(path, error, model)
        raise RecipeError("\n".join(complaints), hint="CONTRIBUTING.md describes the keys of a recipe") from error


def complaints_of(path: Path, error: ValidationError, model: type[Frozen]) -> list[str]:
    """Return what a model has against a file, each with file and dotted key."""
    return [_complaint(path, item["loc"], item["msg"], item["type"], model) for item in error.errors()]


def _complaint(path: Path, loc: Sequence[int | str], message: str, kind: str, model: type[Frozen]) -> str:
    key = ".".join(str(part) for part in loc) or "(top level)"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), _keys_of(model), n=1)
        return f"{path}: {key}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    if kind == "missing":
        return f"{path}: {key}: is missing"
    return f"{path}: {key}: {message}"


def _keys_of(model: type[Frozen]) -> list[str]:
    """Return the keys of a model and of every model below it."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for part in parts for key in part.get("properties", {})})
