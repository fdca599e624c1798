"""Which versions of other people's code are compiled in, as the source itself says it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.model.recipe import LicenseFile


def read_versions(parts: Iterable[LicenseFile], source_dir: Path) -> dict[str, str]:
    """Return name to version of the parts whose version a recipe says where to find.

    Raises:
        UsageError: it is not there any more; a bill of materials that names none would hide that the part changed.
    """
    return {part.name: _read(part, source_dir) for part in parts if part.version is not None}


def _read(part: LicenseFile, source_dir: Path) -> str:
    if part.version is None:
        raise AssertionError(f"nobody says where the version of {part.name} stands")
    hint = "correct version under [[licenses]] in the engine's recipe"
    try:
        text = (source_dir / part.version.path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"version of {part.name}: the source has no {part.version.path}", hint=hint) from error
    found = re.search(part.version.pattern, text)
    if found is None:
        raise UsageError(f"version of {part.name}: nothing in {part.version.path} matches the pattern", hint=hint)
    return ".".join(group for group in found.groups() if group)
