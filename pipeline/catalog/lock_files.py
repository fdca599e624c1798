"""Reads the files of an environment into plain values; complaints name the file, and what in it is meant."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import ConfigDict, ValidationError

from pipeline.errors import UsageError
from pipeline.model.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT_BYTES = 32 << 20
"""No file of an environment is longer: a lock of 60 packages on two platforms has some 60 kB."""


class LockError(UsageError):
    """A file of an environment is missing, or not what it should be."""


class Foreign(Frozen):
    """A part of a file whose form somebody else has decided: keys that nobody here reads are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)


Part = TypeVar("Part", bound=Frozen)


def relock(environment: str) -> str:
    """Return the hint that a lock has to be made anew."""
    return f"`lock --env {environment}` writes it anew"


def read_yaml(path: Path) -> Mapping[str, object]:
    """Return the mapping that a YAML file holds.

    Raises:
        LockError: it cannot be read, is no YAML, or no mapping.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(_read(path), Loader=loader)  # noqa: S506 - either loader is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise LockError(f"{path}: is no YAML: {error}") from error
    return _mapping(path, document)


def read_json(path: Path) -> Mapping[str, object]:
    """Return the object that a JSON file holds; otherwise as ``read_yaml``."""
    try:
        document = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise LockError(f"{path}: is no JSON: {error}") from error
    return _mapping(path, document)


def read_toml(path: Path) -> Mapping[str, object]:
    """Return the table that a TOML file holds; otherwise as ``read_yaml``."""
    try:
        return tomllib.loads(_read(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LockError(f"{path}: is no TOML: {error}") from error


def read_part(model: type[Part], value: object, where: str) -> Part:
    """Return a part of a file as a model.

    Args:
        model: of it.
        value: as the file has it.
        where: file and entry, for complaints.

    Raises:
        LockError: it breaks the model; every complaint is a line.
    """
    try:
        return model.model_validate(value, strict=False)
    except ValidationError as error:
        lines = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            said = "is missing" if item["type"] == "missing" else item["msg"]
            lines.append(f"{where}: {key}: {said}" if key else f"{where}: {said}")
        raise LockError("\n".join(lines)) from error


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise LockError(f"{path}: is longer than {LIMIT_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise LockError(f"{path}: cannot be read: {error.strerror}", hint=relock(path.parent.name)) from error
    except UnicodeDecodeError as error:
        raise LockError(f"{path}: is no UTF-8: {error}") from error


def _mapping(path: Path, document: object) -> Mapping[str, object]:
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise LockError(f"{path}: holds no mapping at its top")
    return document
