"""A real model for smoke tests, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import FileName, Frozen, Name, RelativePath, Sha256


class ModelPart(Frozen):
    """One piece of a model file, inside a wheel of a package index.

    Attributes:
        package: normalized project name.
        filename: of the wheel.
        sha256: of the wheel.
        size_bytes: of the wheel.
        member: path inside the wheel of the piece.
    """

    package: Name
    filename: FileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    member: RelativePath


class ModelRecipe(Frozen):
    """A real model for smoke tests, put together from pieces.

    Attributes:
        schema_version: 1.
        name: of the model.
        filename: of the whole file.
        sha256: of the whole file.
        size_bytes: of the whole file.
        license: of the weights, for people; the weights never enter a bundle.
        parts: in order; joined they are the file.
    """

    schema_version: Literal[1]
    name: Name
    filename: FileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    license: str
    parts: tuple[ModelPart, ...] = Field(min_length=1)
