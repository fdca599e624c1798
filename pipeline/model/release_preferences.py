"""Which of several archives makes a target: data beside the pinned releases of an engine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import Frozen, Name


class ReleasePreferences(Frozen):
    """What ``recipes/upstream/<engine>/preferences.toml`` says.

    Attributes:
        schema_version: 1.
        engine: whose releases these are; the folder's name.
        repository: ``owner/name`` upstream.
        prefer: target without engine to the qualifiers of the archive to take where several make it, best first; an
            empty list of qualifiers is the archive that has none. A target with several archives of which none is
            named here is not fetched.
    """

    schema_version: Literal[1]
    engine: Name
    repository: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+$")
    prefer: dict[Name, tuple[tuple[Name, ...], ...]] = {}
