"""What runs in an installation although its publisher has withdrawn it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.deploy.revoked import in_words, withdrawn
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from pipeline.deploy.layout import Layout
    from pipeline.model.installation import Generation


def reason_against(layout: Layout, generation: Generation) -> str | None:
    """Return why a generation is not to run, None when nothing is known; a damaged list is for ``verify`` to name."""
    with suppress(IntegrityError):
        said = withdrawn(layout, generation.repository, generation.engine, generation.artifact.sha256)
        return None if said is None else said.reason
    return None


def revoked_and_current(layout: Layout) -> tuple[str, ...]:
    """Return a line for each engine whose current generation its publisher has withdrawn."""
    lines = []
    for engine in layout.engines():
        with suppress(IntegrityError):
            pointer = layout.pointer(engine)
            generation = pointer and layout.generation(engine, pointer.generation)
            if generation and (said := withdrawn(layout, generation.repository, engine, generation.artifact.sha256)):
                lines.append(in_words(said))
    return tuple(lines)
