"""Digests of wheels of an index that says none: what was found when somebody looked, and what must be found again."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.model.frozen import FileName, Frozen, Name, Sha256
from pipeline.model.source import HttpUrl


class PinnedWheel(Frozen):
    """One wheel.

    Attributes:
        filename: of the wheel.
        url: where the index's page linked to, without a fragment.
        sha256: of the bytes that were read there.
        size_bytes: of them.
    """

    filename: FileName
    url: HttpUrl
    sha256: Sha256
    size_bytes: int = Field(gt=0)


class WheelPins(Frozen):
    """Pinned wheels of one project on one index.

    Attributes:
        schema_version: 1.
        index: url of the index; the project's page is below it (PEP 503).
        project: normalized project name.
        files: sorted by file name.
    """

    schema_version: Literal[1]
    index: HttpUrl
    project: Name
    files: tuple[PinnedWheel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_file_once(self) -> Self:
        names = [file.filename for file in self.files]
        if names != sorted(set(names)):
            raise ValueError("files must be sorted by name, each once")
        return self
